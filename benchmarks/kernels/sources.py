"""Which code was measured: a digest of every source that a figure or the gate depends on, and the commit it is of."""

import hashlib
import subprocess
from configparser import ConfigParser
from functools import cache
from pathlib import Path

from benchmarks.kernels.closure import closure

ROOT = Path(__file__).parents[2]
GATE, TESTS = "tests/gpu/pytest.ini", "tests/unit"  # the former names the tests on the device, all below the latter
MEASURED = (  # and what they import. What only tells of the figures is not among them: no figure depends on it
    "benchmarks/kernels/grid.py", "benchmarks/kernels/device_gate.py", "benchmarks/kernels/ops/*.py",
)  # fmt: skip
LENGTH = 12  # hexadecimal digits: enough for the few that one machine sees
GIT_TIMEOUT_S = 30.0


@cache
def sources(root: Path = ROOT) -> tuple[Path, ...]:
    """What is measured, the tests on the device, and all of the repository that either imports."""
    roots = [path for pattern in MEASURED for path in root.glob(pattern)]
    return root / GATE, *sorted(closure([*roots, *_device_tests(root)], root))


@cache
def sources_digest(root: Path = ROOT) -> str:
    """Of names and contents, as they were when this process first asked."""
    digest = hashlib.sha256()
    for path in sources(root):
        for part in (str(path.relative_to(root)).encode(), path.read_bytes()):
            digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()[:LENGTH]


@cache
def sources_commit(root: Path = ROOT) -> str:
    """The short hash of the commit that is checked out, with `+` if the sources differ from it; empty without git."""
    # Sources that lie within another repository are of no commit of it: they would not be at its top.
    if _git(root, "rev-parse", "--show-prefix") != "" or not (commit := _git(root, "rev-parse", "--short", "HEAD")):
        return ""
    changed = _git(root, "status", "--porcelain", "--untracked-files=all", "--", *map(str, sources(root)))
    return commit if changed == "" else f"{commit}+"


def _device_tests(root: Path) -> list[Path]:
    config = ConfigParser()
    config.read(root / GATE)
    section = config["pytest"]
    left_out = {word.partition("=")[2] for word in section["addopts"].split() if word.startswith("--ignore=")}
    paths = [root / path for path in section["testpaths"].split()]
    found = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*.py"))]
    above = [parent / "conftest.py" for path in paths for parent in path.parents if parent.is_relative_to(root / TESTS)]
    return [path for path in [*found, *filter(Path.exists, above)] if str(path.relative_to(root)) not in left_out]


def _git(root: Path, *words: str) -> str | None:
    """What it says; None where there is none, or it knows nothing of this place. Nothing is written, nobody waits."""
    try:
        done = subprocess.run(
            ("git", "--no-optional-locks", *words), cwd=root, capture_output=True, text=True, timeout=GIT_TIMEOUT_S,
            check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
