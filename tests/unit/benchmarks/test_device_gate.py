"""The gate of a run on a GPU is that of its sources, GPU and versions, and no other's."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.kernels.device_gate import COMMAND, Gate, gate_log, gate_of, read_gate, run_gate
from benchmarks.kernels.results import Machine
from benchmarks.kernels.sources import ROOT

H200 = Machine("NVIDIA H200", "2.11.0", "3.6.0", "2026-11-21", "1a2b3c", "0abcdef")


def saying(line: str) -> tuple[str, ...]:
    return (sys.executable, "-c", f"print({line!r})")


def test_a_gate_is_run_once_for_the_same_sources_gpu_and_versions(tmp_path: Path) -> None:
    assert run_gate(tmp_path, H200, 60, saying("2 passed in 1.00s")) == Gate("2 passed")
    assert run_gate(tmp_path, replace(H200, date="2026-11-22"), 60, saying("1 failed in 1.00s")) == Gate("2 passed")
    log = gate_log(tmp_path, H200).read_text()
    assert log.splitlines()[0] == "NVIDIA H200, torch 2.11.0, Triton 3.6.0, sources 1a2b3c (commit 0abcdef)"


def test_the_same_sources_of_another_commit_have_the_same_gate(tmp_path: Path) -> None:
    run_gate(tmp_path, H200, 60, saying("2 passed in 1.00s"))
    assert gate_of(tmp_path, replace(H200, commit="1234567")) == Gate("2 passed")


@pytest.mark.parametrize("changed", ["machine", "torch", "triton", "sources"])
def test_a_gate_of_another_is_not_taken_for_ones_own(changed: str, tmp_path: Path) -> None:
    other = replace(H200, **{changed: "another"})
    run_gate(tmp_path, H200, 60, saying("2 passed in 1.00s"))
    assert gate_of(tmp_path, other) is None
    assert run_gate(tmp_path, other, 60, saying("1 failed in 1.00s")) == Gate("1 failed")
    assert gate_of(tmp_path, H200) == Gate("2 passed")  # back again, it is still known


def test_a_gate_that_failed_stays_failed_until_something_changes(tmp_path: Path) -> None:
    run_gate(tmp_path, H200, 60, saying("1 failed in 1.00s"))
    assert run_gate(tmp_path, H200, 60, saying("2 passed in 1.00s")) == Gate("1 failed")


def test_a_gate_that_came_to_no_end_is_run_again(tmp_path: Path) -> None:
    run_gate(tmp_path, H200, 60, saying("something"))
    assert run_gate(tmp_path, H200, 60, saying("2 passed in 1.00s")) == Gate("2 passed")


def test_a_gate_ends_when_its_time_is_up(tmp_path: Path) -> None:
    assert run_gate(tmp_path, H200, 0.2, (sys.executable, "-c", "import time; time.sleep(60)")) is None
    assert gate_log(tmp_path, H200).read_text().endswith("the time for the gate was up\n")


def test_the_gate_is_what_the_makefile_runs_on_a_gpu() -> None:
    assert f"$(GPU_PYTHON) {' '.join(COMMAND[1:])}\n" in (ROOT / "Makefile").read_text()


@pytest.mark.slow
def test_the_gate_asks_for_no_more_than_torch_triton_numpy_and_pytest() -> None:
    """Only what needs Hypothesis is left out."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.benchmarks.bare_python", *COMMAND[3:], "--collect-only", "-rs"], cwd=ROOT,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    skipped = [line for line in done.stdout.splitlines() if line.startswith("SKIPPED")]
    assert skipped
    assert all("_properties.py" in line for line in skipped), skipped
    for path in ("kernels/test_checks.py", "inference/forward/test_arena.py", "inference/precision/test_timing.py"):
        assert f"tests/unit/{path}::" in done.stdout


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
