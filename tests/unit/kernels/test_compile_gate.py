"""Every shipped configuration compiles for sm_90 as meant, in a process of its own: here kernels are interpreted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
OPS = sorted(path.parent.name for path in ROOT.glob("kernels/*/op.py"))


def compile_gate(what: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.compile_gate", what],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("op", OPS)
def test_every_configuration_compiles_as_meant(op: str) -> None:
    done = compile_gate(op)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_is_served_compiles_without_spills() -> None:
    done = compile_gate("--served")
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_op_that_is_not_there_is_refused_with_those_that_are() -> None:
    done = compile_gate("hamming")
    assert done.returncode == 2
    assert f"no such op: hamming; there are {', '.join(OPS)}" in done.stderr
