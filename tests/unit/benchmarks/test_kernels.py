"""The kernels' tables say what the CSV files say, and a figure that nobody measured is not there."""

from pathlib import Path

import pytest
import torch

from benchmarks.kernels import report
from benchmarks.kernels.case import COMPILED, DECOMPOSED, EXPANDED, OURS, Case
from benchmarks.kernels.ceilings import measure_ceilings
from benchmarks.kernels.findings import findings
from benchmarks.kernels.gate import largest_error, relative_error
from benchmarks.kernels.measure import GateFailed, measure
from benchmarks.kernels.one_run import NOT_MEASURED
from benchmarks.kernels.ops import broadcast_linear
from benchmarks.kernels.plot import draw, points
from benchmarks.kernels.registry import all_cases, op_cases, op_names
from benchmarks.kernels.results import Row, merge_rows, read_rows, this_machine
from benchmarks.kernels.timing import Timing, num_input_sets
from kernels.roofline import Ceilings

ROOT = Path(__file__).parents[3]
CPU = torch.device("cpu")
SLOW = Ceilings(flops_per_s=1e9, bytes_per_s=1e9)


def small_case() -> Case:
    case = next(iter(broadcast_linear.cases(CPU)))
    providers = {name: provider for name, provider in case.providers.items() if name != COMPILED}
    return Case(case.op, case.shape, case.dtype, case.work, case.inputs, providers, case.exact, case.tolerance)


def row(**changed: object) -> Row:
    facts = {
        "op": "broadcast_linear", "shape": "N=100 K=64 K_request=192 H=128 B=1", "dtype": "float32", "provider": OURS,
        "ms": 2.0, "ms_p20": 1.0, "ms_p80": 3.0, "times_ours": 1.0, "floor_ms": 0.5, "bound": "memory", "error": 1e-7,
        "machine": "a machine", "torch": "2.13.0", "triton": "3.7.1", "date": "2026-11-21",
    }  # fmt: skip
    return Row(**facts | changed)  # type: ignore[arg-type]


@pytest.mark.parametrize("path", [report.README, report.FIGURES], ids=lambda path: path.name)
def test_the_pages_are_what_the_results_say(path: Path) -> None:
    text = path.read_text()
    assert report.rendered(text) == text, "run: python -m benchmarks.kernels report"
    assert "<!-- end -->" in text


def test_the_readme_names_every_op() -> None:
    table = (ROOT / "kernels/README.md").read_text()
    missing = [path.parent.name for path in ROOT.glob("kernels/*/op.py") if f"`{path.parent.name}`" not in table]
    assert missing == []


def test_every_case_has_ours_and_another_way_to_compute_it() -> None:
    for device in (CPU, torch.device("cuda")):
        cases = list(all_cases(device))
        for case in cases:
            assert OURS in case.providers, case
            assert len(case.providers) > 1, case
            assert case.work.flops >= 0, case
            assert case.work.bytes_moved > 0, case
        assert len({(case.op, case.shape, case.dtype) for case in cases}) == len(cases)


def test_an_op_is_named_as_its_folder_and_every_folder_has_cases() -> None:
    folders = {path.parent.name for path in ROOT.glob("kernels/*/op.py")}
    assert folders <= set(op_names())
    assert op_names()[0] == "ranker_forward"


def test_what_a_table_is_headed_is_what_the_command_takes() -> None:
    for name in op_names():
        for device in (CPU, torch.device("cuda")):
            found = {case.op for case in op_cases(name, device)}
            assert found == ({name} if name != "fp8_linear" or device != CPU else set()), name


def test_of_several_outputs_the_worst_counts() -> None:
    whole = torch.ones(4)
    assert largest_error((whole, whole), (whole, whole)) == 0
    assert largest_error((whole, whole * 2), (whole, whole)) == 1
    assert largest_error(whole, (whole, whole)) == float("inf")


def test_a_case_is_measured_beside_its_baselines(tmp_path: Path) -> None:
    rows = measure(small_case(), CPU, SLOW, this_machine(CPU))
    assert {row.provider for row in rows} == set(small_case().providers)
    for one in rows:
        assert one.ms > 0
        assert one.error < 1e-5
    path = tmp_path / "cpu.csv"
    merge_rows(path, rows)
    assert [row.key for row in read_rows(path)] == sorted(row.key for row in rows)


def test_a_way_that_computes_something_else_is_not_timed() -> None:
    case = small_case()

    def off_by_one(*given: object) -> torch.Tensor:
        out = case.providers[OURS](*given)
        assert isinstance(out, torch.Tensor)
        return out + 1

    wrong = Case(
        case.op, case.shape, case.dtype, case.work, case.inputs,
        {**case.providers, "wrong": off_by_one}, case.exact, case.tolerance,
    )  # fmt: skip
    with pytest.raises(GateFailed, match="wrong: relative error"):
        measure(wrong, CPU, SLOW, this_machine(CPU))


def test_newer_rows_replace_those_of_the_same_way(tmp_path: Path) -> None:
    path = tmp_path / "cpu.csv"
    merge_rows(path, [row(), row(provider=COMPILED, times_ours=1.5)])
    merge_rows(path, [row(ms=4.0)])
    assert {one.provider: one.ms for one in read_rows(path)} == {OURS: 4.0, COMPILED: 2.0}


def test_what_was_not_measured_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "COMMITTED", tmp_path)
    merge_rows(tmp_path / "cpu.csv", [row(), row(provider=COMPILED, times_ours=1.5)])
    lines = report.tables("cpu", tmp_path).splitlines()
    (line,) = (line for line in lines if line.startswith("| N="))
    assert line.split(" | ")[:3] == [f"| {row().shape}", "2", "25% (memory)"]
    assert "1.50 times" in line
    assert NOT_MEASURED in line  # another way at the same shape
    cases = len(list(op_cases("broadcast_linear", CPU)))
    assert f"- `broadcast_linear`: {cases - 1} of {cases} cases" in lines[lines.index("### Not measured") :]
    gpu = report.tables("gpu", tmp_path)
    assert "| shape" not in gpu
    ops = {case.op for case in all_cases(torch.device("cuda"))}
    assert {line.split("`")[1] for line in gpu.splitlines() if line.startswith("- ")} == ops  # one line each
    assert report.summed_up("gpu", tmp_path).startswith("0 of ")


def test_what_the_figures_come_to_is_of_the_rows() -> None:
    assert findings([]) == []
    forward = {"op": "ranker_forward"}
    rows = [
        row(**forward, provider=name, shape=f"compact N={n} B=1", ms=ms, times_ours=times)
        for n, ours, copied in ((50, 1.0, 2.0), (4000, 20.0, 90.0))
        for name, ms, times in ((OURS, ours, 1.0), (EXPANDED, copied, copied / ours), (COMPILED, ours, 1.0 + n / 1e4))
    ]
    rows += [row(provider=COMPILED, shape=shape, times_ours=times) for shape, times in (("a", 0.5), ("b", 0.9))]
    rows += [row(op="jagged_unique", provider="torch.unique", times_ours=0.6)]
    rows += [
        row(provider=DECOMPOSED, shape=f"N={n} K=64", ms=ms, times_ours=times)
        for n, ms, times in ((100, 0.05, 0.5), (500, 0.16, 0.8), (1000, 1.0, 0.95))
    ]
    rows += [row(op="served_forward", provider=COMPILED, times_ours=times) for times in (0.7, 0.9)]
    cost, checks, compiled, served, faster, unique = findings(rows)
    assert "it takes 0.70 to 0.90 of our time; why it does not serve" in served
    assert cost.startswith("80 times the candidates (50 to 4,000) cost 20 times as much")
    assert "to every candidate 45 times, and 4.5 times as long as ours at 4,000." in cost
    assert "From 50 to 4000 candidates ours takes 20.00 times as long" in cost
    assert "in parts of our time, for `broadcast_linear` at N=100 and N=500 (0.50 to 0.80):" in checks
    assert "(50 µs of the shortest of these)" in checks
    assert compiled.startswith(
        "`torch.compile` takes 1.00 to 1.40 of our time for the forward pass, compiled for its size."
    )
    assert "for `broadcast_linear` (0.50 to 0.90):" in faster
    assert unique.startswith("`torch.unique` takes 0.60 of the time of `jagged_unique`")


def test_the_plot_has_the_points_of_one_request(tmp_path: Path) -> None:
    forward = {"op": "ranker_forward", "provider": OURS}
    rows = [row(), row(**forward, shape="compact N=100 B=8"), row(**forward, shape="large N=100 B=1")]
    rows += [row(**forward, shape=f"compact N={n} B=1", ms=n / 50) for n in (500, 100)]
    assert points(rows, OURS) == [(100, 2.0), (500, 10.0)]
    draw(rows, tmp_path / "cost.svg")
    assert "</svg>" in (tmp_path / "cost.svg").read_text()


def test_a_ratio_is_taken_within_each_turn() -> None:
    ours, other = Timing.over([1.0, 2.0, 10.0]), Timing.over([2.0, 4.0, 20.0])
    assert other.ratio_to(ours) == 2.0


def test_input_sets_together_exceed_the_cache_of_a_gpu() -> None:
    assert num_input_sets(2**40, "cuda") == 1
    assert num_input_sets(2**26, "cuda") * 2**26 >= 2**28
    assert num_input_sets(1, "cuda") > num_input_sets(1, "cpu") > 1


def test_an_output_with_nan_or_another_shape_never_passes() -> None:
    whole = torch.ones(4)
    assert relative_error(whole, whole) == 0
    assert relative_error(whole * float("nan"), whole) == float("inf")
    assert relative_error(whole[:3], whole) == float("inf")


@pytest.mark.slow
def test_the_ceilings_are_those_of_a_machine() -> None:
    found = measure_ceilings(CPU, torch.float32)
    assert 1e8 < found.bytes_per_s < 1e13
    assert 1e8 < found.flops_per_s < 1e15
