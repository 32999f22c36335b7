"""`gpu.sh` goes on after a process that died, until all is measured or time is up. Python is a stand-in here."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
STAND_IN = """#!/usr/bin/env bash
# Says what it is asked, and ends with the next status that the test has written down for this command.
[ "$1" = -c ] && exit 0
echo "$3" >>"$HERE/calls"
status=$(head -n 1 "$HERE/$3") && sed -i 1d "$HERE/$3"
[ "$status" = hang ] && exec sleep 60
[ "$status" = crash ] && kill -SEGV $$
exit "$status"
"""


@pytest.mark.parametrize(
    ("gate", "grid", "budget_s", "status", "times"),
    [
        ("0", ["0"], 100, 0, 1),
        ("1", ["0"], 100, 1, 1),  # what fails the gate may be right in the grid: the run did not pass
        ("0", ["5"], 100, 1, 1),
        ("0", ["1", "0"], 100, 0, 2),  # an interpreter that ended by itself measured nothing: another one goes on
        ("0", ["4"], 100, 4, 1),
        ("1", ["4"], 100, 4, 1),
        ("0", ["3", "3", "0"], 100, 0, 3),  # the GPU was lost twice
        ("0", ["crash", "5"], 100, 1, 2),
        ("0", ["hang"], 70, 4, 1),  # what is left of the budget is over before it
        ("0", [], 50, 4, 0),  # nothing is left
    ],
)
def test_a_run_ends_as_its_last_process_or_out_of_time(
    gate: str, grid: list[str], budget_s: int, status: int, times: int, tmp_path: Path
) -> None:
    python = tmp_path / "python"
    python.write_text(STAND_IN)
    python.chmod(0o755)
    for command, lines in (("gate", [gate]), ("gpu", grid), ("summary", ["0"])):
        (tmp_path / command).write_text("".join(f"{line}\n" for line in lines))
    done = subprocess.run(
        ["benchmarks/kernels/gpu.sh", str(tmp_path / "out")], cwd=ROOT, capture_output=True, text=True, timeout=150,
        env={**os.environ, "PYTHON": str(python), "HERE": str(tmp_path), "BUDGET_S": str(budget_s)}, check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    assert (tmp_path / "calls").read_text().split() == ["gate", *["gpu"] * times, "summary"]
