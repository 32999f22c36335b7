"""The summary of a run on a GPU says what was measured, and of what was not, that it was not."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.kernels.__main__ import main, run
from benchmarks.kernels.case import OURS, Case
from benchmarks.kernels.failures import Failure, failures_path, read_failures, write_failures
from benchmarks.kernels.registry import all_cases
from benchmarks.kernels.results import Machine, Row, merge_rows
from benchmarks.kernels.summary import LCE, PUBLISHED, STANDARD_1000, Gate, read_gate, summary

H200 = Machine("NVIDIA H200", "2.11.0", "3.6.0", "2026-11-21")
CASES = list(all_cases(torch.device("cuda")))
LARGE = next(case for case in CASES if case.shape == "large N=1000 B=1" and case.op == "ranker_forward")


def measured(case: Case, provider: str = OURS, ms: float = 1.0) -> Row:
    return Row(
        op=case.op, shape=case.shape, dtype=str(case.dtype).removeprefix("torch."), provider=provider, ms=ms, ms_p20=ms,
        ms_p80=ms, times_ours=1.0, floor_ms=ms / 2, bound="memory", error=0.0, machine=H200.machine, torch=H200.torch,
        triton=H200.triton, date=H200.date,
    )  # fmt: skip


def case_of(op: str, shape: str) -> Case:
    return next(case for case in CASES if (case.op, case.shape) == (op, shape))


def line_of(text: str, start: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(start))


def test_a_goal_that_nobody_measured_says_so() -> None:
    text = summary(None, CASES, [], [], H200)
    assert text.splitlines()[0] == "Kernels on NVIDIA H200, torch 2.11.0, Triton 3.6.0, 2026-11-21"
    assert line_of(text, "gate:").startswith("gate: no result: it did not come to an end")
    assert line_of(text, "cases:") == f"cases: 0 of {len(CASES)} done, {len(CASES)} left, 0 failed"
    goals = [line for line in text.splitlines() if line.startswith("- ")]
    assert len(goals) == 3
    assert all(line.endswith(": not measured") for line in goals)


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
    failures = [Failure(*rows[-1].key[:3], error="OutOfMemoryError: no"), Failure(*rows[0].key[:3], error="done since")]
    text = summary(None, CASES[:3], rows, failures, H200)
    assert line_of(text, "cases:") == "cases: 1 of 3 done, 1 left, 1 failed"
    assert line_of(text, "  failed:") == f"  failed: {third.op} {third.shape}: OutOfMemoryError: no"
    assert line_of(text, "  left") == f"  left, in whole or in part: {second.op} 1; run it again"


@pytest.mark.parametrize(
    ("log", "counts", "passed"),
    [
        ("..\n1059 passed, 4 skipped in 91.19s (0:01:31)\n", "1059 passed, 4 skipped", True),
        ("FAILED a\n3 failed, 5 passed in 1.20s\n", "3 failed, 5 passed", False),
        ("!!!! stopping !!!!\n1 error in 36.12s\n", "1 error", False),
        ("==== 2 passed, 1 error in 0.5s ====\n", "2 passed, 1 error", False),
        ("7 skipped in 0.5s\n", "7 skipped", False),
    ],
)  # fmt: skip
def test_the_gate_is_read_from_what_pytest_says_last(log: str, counts: str, passed: bool) -> None:
    gate = read_gate(log)
    assert gate == Gate(counts)
    assert gate.passed == passed


@pytest.mark.parametrize("log", ["", ".....\n", "no tests ran in 0.01s\n", "Fatal Python error: Aborted\n"])
def test_a_gate_that_was_cut_off_has_no_result(log: str) -> None:
    assert read_gate(log) is None


def test_the_command_writes_what_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summary", "--out", str(tmp_path)]) == 1
    merge_rows(tmp_path / "gpu.csv", [measured(case_of("ranker_forward", STANDARD_1000), ms=0.9)])
    (tmp_path / "gate.log").write_text("12 passed in 3.00s\n")
    capsys.readouterr()
    if not torch.cuda.is_available():  # else it tells of this machine
        assert main(["summary", "--out", str(tmp_path)]) == 0
        text = (tmp_path / "summary.txt").read_text()
        assert capsys.readouterr().out == text
        assert "gate: passed (12 passed)" in text
        assert "0.900 ms (reached)" in text
    write_failures(failures_path(tmp_path / "gpu.csv"), [Failure("topk", "N=10000 k=100", "float32", "lost")])
    assert main(["summary", "--out", str(tmp_path)]) == 1


def test_what_failed_is_kept_until_the_next_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = next(case for case in all_cases(torch.device("cpu")) if case.op == "topk")
    wrong = replace(case, providers={**case.providers, "wrong": lambda scores: scores.topk(100).values + 1})
    monkeypatch.setattr("benchmarks.kernels.__main__.op_cases", lambda op, device: [wrong])
    path = tmp_path / "cpu.csv"
    assert run(torch.device("cpu"), ["topk"], path, float("inf"), resume=False) == 1
    (failure,) = read_failures(failures_path(path))
    assert failure.key == ("topk", case.shape, "float32")
    assert failure.error.startswith("GateFailed: topk")
    monkeypatch.setattr("benchmarks.kernels.__main__.op_cases", lambda op, device: [])
    assert run(torch.device("cpu"), ["topk"], path, float("inf"), resume=False) == 0
    assert read_failures(failures_path(path)) == []
