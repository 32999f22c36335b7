"""The gate of a run on a GPU: the tests on the device, once for the same sources, GPU, torch and Triton."""

import hashlib
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from benchmarks.kernels.results import Machine
from benchmarks.kernels.sources import ROOT

COMMAND = (sys.executable, "-m", "pytest", "-c", "tests/gpu/pytest.ini", "--rootdir=.")  # as `make test-gpu`
# A test's time on a GPU is that of compiling its kernels, one after the other: several processes where they can be had.
SEVERAL = ("-n", "8", "--dist", "loadfile") if find_spec("xdist") else ()
LIMIT_S = 240.0  # of all tests: the rest of ten minutes is the grid's
ENDED = re.compile(r"^=*\s*(\d+ (?:passed|failed|skipped|errors?|deselected|warnings?)\b.*) in [\d.]+s", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Gate:
    """How the tests ended, by pytest's own counts."""

    counts: str  # "3 failed, 1056 passed, 4 skipped"

    @property
    def passed(self) -> bool:
        """Some tests ran, and none failed."""
        return bool(re.search(r"\bpassed\b", self.counts)) and not re.search(r"\b(failed|errors?)\b", self.counts)


def read_gate(log: str) -> Gate | None:
    """What pytest's output ends with; None if it did not come to an end."""
    found = ENDED.findall(log)
    return Gate(found[-1]) if found else None


def gate_log(out: Path, machine: Machine) -> Path:
    """Where the tests' output is kept: named by all of the machine but the date, so that no other's is taken for it."""
    stamp = "\n".join((machine.machine, machine.torch, machine.triton, machine.sources))
    return out / f"gate-{hashlib.sha256(stamp.encode()).hexdigest()[:12]}.log"


def gate_of(out: Path, machine: Machine) -> Gate | None:
    """The gate of this machine and these sources; None if it was not run or did not come to an end."""
    log = gate_log(out, machine)
    return read_gate(log.read_text()) if log.exists() else None


def run_gate(out: Path, machine: Machine, seconds: float, command: tuple[str, ...] = COMMAND + SEVERAL) -> Gate | None:
    """Run the tests unless they came to an end before, for so many seconds at most. The log begins with of what it is.

    The same sources fail the same tests: the time is the grid's.
    """
    known = gate_of(out, machine)
    if known:
        return known
    out.mkdir(parents=True, exist_ok=True)
    log = gate_log(out, machine)
    with log.open("w") as file:
        print(f"{machine.machine}, {machine.code}", file=file, flush=True)
        try:
            subprocess.run(command, cwd=ROOT, stdout=file, stderr=file, timeout=min(seconds, LIMIT_S), check=False)
        except subprocess.TimeoutExpired:
            print("the time for the gate was up", file=file)
    return gate_of(out, machine)
