"""Every shipped configuration compiles for sm_90 as meant, in a process of its own: here kernels are interpreted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
OPS = sorted(path.parent.name for path in ROOT.glob("kernels/*/kernel.py"))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("op", OPS)
def test_every_configuration_compiles_as_meant(op: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.compile_gate", op],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
