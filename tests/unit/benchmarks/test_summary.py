"""The summary of a run on a GPU says what was measured, and of what was not, that it was not."""

import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from benchmarks.kernels.__main__ import main
from benchmarks.kernels.case import OURS, Case
from benchmarks.kernels.device_gate import gate_log
from benchmarks.kernels.failures import Failure, failures_path, write_failures
from benchmarks.kernels.ops.ranker_forward import MODELS, MODELS_ARE
from benchmarks.kernels.registry import all_cases
from benchmarks.kernels.report import FIGURES
from benchmarks.kernels.results import Machine, Row, merge_rows
from benchmarks.kernels.summary import LCE, PUBLISHED, STANDARD_1000, summary
from inference.models.ranker import VARIANTS, Ranker
from inference.models.sizes import Sizes

H200 = Machine("NVIDIA H200", "2.11.0", "3.6.0", "2026-11-21", "1a2b3c", "0abcdef")
CASES = list(all_cases(torch.device("cuda")))
LARGE = next(case for case in CASES if case.shape == "gpu-large N=1000 B=1" and case.op == "ranker_forward")


def measured(case: Case, provider: str = OURS, ms: float = 1.0) -> Row:
    return Row(
        *case.key, provider=provider, ms=ms, ms_p20=ms, ms_p80=ms, times_ours=1.0, floor_ms=ms / 2, bound="memory",
        error=0.0, **asdict(H200),
    )  # fmt: skip


def case_of(op: str, shape: str) -> Case:
    return next(case for case in CASES if (case.op, case.shape) == (op, shape))


def line_of(text: str, start: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(start))


def test_a_goal_that_nobody_measured_says_so() -> None:
    text = summary(None, CASES, [], [], H200)
    versions = "torch 2.11.0, Triton 3.6.0, sources 1a2b3c (commit 0abcdef)"
    assert text.splitlines()[0] == f"Kernels on NVIDIA H200, 2026-11-21, {versions}"
    assert line_of(text, "gate:").startswith("gate: no result: it was not run or did not come to an end")
    assert line_of(text, "cases:") == f"cases: 0 of {len(CASES)} done, {len(CASES)} left, 0 failed"
    goals = [line for line in text.splitlines() if line.startswith("- ")]
    assert len(goals) == 3
    assert all(line.endswith(": not measured") for line in goals)


def test_the_names_of_the_models_are_explained_here_and_beside_the_figures() -> None:
    assert summary(None, CASES, [], [], H200).splitlines()[-1] == f"models: {MODELS_ARE}"
    assert MODELS_ARE in " ".join(FIGURES.read_text().replace("`", "").split())
    assert [name for name in MODELS if not re.search(rf"\b{name}(?!-)", MODELS_ARE)] == []
    weights = {
        name: sum(p.numel() for p in _on_meta(name).parameters()) / 1e6 for name in ("gpu-standard", "gpu-large")
    }
    assert [round(each, -1) for each in weights.values()] == [10, 260]


def test_the_compact_models_are_the_variants_that_are_served() -> None:
    served = {"compact-small": "small", "compact-standard": "standard", "compact": "large"}
    assert {name: MODELS[name] for name in served} == {name: (Sizes(), VARIANTS[of]) for name, of in served.items()}
    for op in ("ranker_forward", "served_forward"):
        assert {f"{name} N=1000 B=1" for name in MODELS} <= {case.shape for case in CASES if case.op == op}


def test_goals_have_their_numbers_and_whether_they_are_reached() -> None:
    at_half = LARGE.work.flops / 989e12 / 0.5 * 1e3
    forward, compression = case_of("ranker_forward", STANDARD_1000), case_of(LCE, PUBLISHED)
    rows = [measured(LARGE, ms=at_half), measured(forward, ms=0.82), measured(compression, ms=0.55)]
    text = summary(None, CASES, [*rows, measured(compression, f"{OURS}, 256", 0.48)], [], H200)
    assert "dense bf16 peak: 50.0% at N=1000 B=1 (reached)" in text
    assert "under 1 ms of GPU time: 0.820 ms (reached)" in text
    assert "in 0.50 ms or less: 0.550 ms (not reached); ours, 256: 0.480 ms" in text
    slower = [replace(row, ms=row.ms * 2) for row in rows]
    text = summary(None, CASES, slower, [], H200)
    assert "25.0% at N=1000 B=1 (not reached)" in text
    assert "1.640 ms (not reached)" in text


def test_eight_bits_do_not_count_for_the_goal_of_sixteen() -> None:
    case = case_of("ranker_forward", f"{LARGE.shape} fp8")
    text = summary(None, CASES, [measured(case, ms=case.work.flops / 989e12 / 0.6 * 1e3)], [], H200)
    assert "60.0% at N=1000 B=1 fp8 (not reached)" in text


def test_the_share_of_an_unknown_peak_is_no_number() -> None:
    row = replace(measured(LARGE), machine="another GPU")
    text = summary(None, CASES, [row], [], H200)
    assert "dense bf16 peak: not measured: the peak of another GPU is not known here" in text


def test_cases_are_done_left_or_failed() -> None:
    first, second, third = CASES[:3]
    rows = [measured(first, name) for name in first.providers] + [measured(second), measured(third)]
    failures = [
        Failure(*case.key, (OURS,), error, 1, H200)
        for case, error in ((third, "OutOfMemoryError: no"), (first, "done since"))
    ]
    text = summary(None, CASES[:3], rows, failures, H200)
    assert line_of(text, "cases:") == "cases: 1 of 3 done, 1 left, 1 failed"
    assert line_of(text, "  failed:") == f"  failed: {third.op} {third.shape}: OutOfMemoryError: no"
    assert line_of(text, "  left") == f"  left, in whole or in part: {second.op} 1; run it again"


@pytest.mark.skipif(torch.cuda.is_available(), reason="with a GPU it tells of that machine: away from it is meant")
def test_the_command_tells_of_the_machine_and_sources_measured_last(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["summary", "--out", str(tmp_path)]) == 1
    earlier, case = replace(H200, date="2026-11-20", sources="0"), case_of("ranker_forward", STANDARD_1000)
    merge_rows(tmp_path / "gpu.csv", [measured(case, ms=0.9), replace(measured(LARGE), **asdict(earlier))])
    gate_log(tmp_path, earlier).write_text("1 failed in 3.00s\n")
    gate_log(tmp_path, H200).write_text("12 passed in 3.00s\n")
    failed = Failure("topk", "N=10000 k=100", "float32", (OURS,), "lost", 1, earlier)
    write_failures(failures_path(tmp_path / "gpu.csv"), [failed])
    capsys.readouterr()
    assert main(["summary", "--out", str(tmp_path)]) == 0
    text = (tmp_path / "summary.txt").read_text()
    assert capsys.readouterr().out == text
    assert "gate: passed (12 passed)" in text
    assert "0.900 ms (reached)" in text
    assert ", 0 failed" in text
    assert "dense bf16 peak: not measured" in text
    write_failures(failures_path(tmp_path / "gpu.csv"), [replace(failed, measured_on=H200)])
    assert main(["summary", "--out", str(tmp_path)]) == 1


def _on_meta(name: str) -> Ranker:
    with torch.device("meta"):
        return Ranker(*MODELS[name])
