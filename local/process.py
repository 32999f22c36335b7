"""Child processes that never outlive us.

Each child leads a session of its own and is killed by the kernel when we die (Linux; elsewhere only a clean end stops
it). `stop` ends the child, then what is left of its process group; descendants that made sessions of their own are
found by `kill_descendants`, which needs `adopt_orphans` to have been called.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None  # loaded before any fork


class Child:
    """One started process. Start it from a thread that lives as long as it should: the kernel watches the thread."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        output: IO[bytes] | int | None = None,
        die_with_us: signal.Signals = signal.SIGKILL,
        cwd: Path | None = None,
    ) -> None:
        """`env` is added to ours; `output` takes stdout and stderr; `die_with_us` is what it gets when we die."""
        parent = os.getpid()

        def tie_to_parent() -> None:
            if _libc is not None:
                _libc.prctl(_PR_SET_PDEATHSIG, int(die_with_us), 0, 0, 0)
                if os.getppid() not in (parent, 0):  # 0: the parent is outside of our PID namespace
                    os._exit(1)  # it died before the call above

        self.command = list(command)
        self._process = subprocess.Popen(
            self.command,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if output is not None else None,
            start_new_session=True,
            preexec_fn=tie_to_parent,
            cwd=cwd,
        )
        self.pid = self._process.pid
        self._group_killed = False

    @property
    def status(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._process.poll()

    def signal(self, number: int) -> None:
        """Send a signal to the process itself, if it still runs."""
        self._process.send_signal(number)

    def stop(self, timeout_s: float) -> int:
        """SIGTERM, after `timeout_s` SIGKILL, then SIGKILL to the rest of its group; returns the exit status."""
        if self.status is None:
            self.signal(signal.SIGTERM)
            self.wait_exit(timeout_s)
        return self.kill()

    def kill(self) -> int:
        """SIGKILL to the whole group, once; returns the exit status."""
        if not self._group_killed:  # later the number may belong to somebody else
            self._group_killed = True
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        return self._process.wait()

    def wait_exit(self, timeout_s: float) -> bool:
        """Wait until the process has exited, whoever still holds its output; False after `timeout_s`."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True


def adopt_orphans() -> None:
    """Make orphaned descendants our children, so that none is lost (Linux)."""
    if _libc is not None:
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children_of(pid: int) -> list[int]:
    """Direct children, of all threads of `pid`; empty where there is no /proc."""
    found: list[int] = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found.extend(int(child) for child in tasks.read_text().split())
    return found


def descendants_of(pid: int) -> list[int]:
    """Children and theirs, parents first."""
    found: list[int] = []
    level = children_of(pid)
    while level:
        found.extend(level)
        level = [child for parent in level for child in children_of(parent)]
    return found


def carries(pid: int, variable: str) -> bool:
    """Whether a process was started with `variable` ("NAME=value") in its environment; False for a dead one."""
    try:
        return variable.encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def kill_descendants(variable: str | None = None, timeout_s: float = 5.0) -> list[int]:
    """SIGKILL our descendants (those that carry `variable`) until none is left; returns what survives `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while True:
        remaining = [pid for pid in descendants_of(os.getpid()) if variable is None or carries(pid, variable)]
        if not remaining or time.monotonic() > deadline:
            return remaining
        for pid in remaining:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        collect(remaining)
        time.sleep(0.01)


def collect(pids: Iterable[int]) -> None:
    """Take the status of ended children, so that they do not stay as zombies."""
    for pid in pids:
        with contextlib.suppress(ChildProcessError):  # no child of ours, or somebody has waited for it
            os.waitpid(pid, os.WNOHANG)


def dead_children() -> set[int]:
    """Children that have ended and that nobody has waited for."""
    dead = set()
    for pid in children_of(os.getpid()):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                dead.add(pid)
    return dead


def tail(path: Path, num_lines: int = 15) -> str:
    """The last lines of a log, for an error message."""
    try:
        with path.open("rb") as handle:
            handle.seek(0, os.SEEK_END)
            handle.seek(max(0, handle.tell() - 16_384))
            lines = handle.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    return "\n".join(lines[-num_lines:])
