"""Child processes that never outlive us.

Each child leads a session of its own and is killed by the kernel when we die (Linux; elsewhere only a clean end stops
it). `stop` ends the child, then whatever is left of its process group; a child's children that made sessions of their
own are found by `kill_descendants`, which needs `adopt_orphans` to have been called.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
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
        """SIGKILL to the whole group at once; returns the exit status."""
        # The group keeps its number while any member lives, so this cannot hit a stranger's unless all are gone.
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


def kill_descendants(timeout_s: float = 5.0) -> list[int]:
    """SIGKILL all descendants until none is left; returns those that survived `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while remaining := descendants_of(os.getpid()):
        if time.monotonic() > deadline:
            return remaining
        for pid in remaining:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        reap_orphans(keep=())
        time.sleep(0.01)
    return []


def reap_orphans(keep: Sequence[int]) -> None:
    """Collect the status of dead children that nobody else waits for; `keep`: children that somebody does."""
    for pid in children_of(os.getpid()):
        if pid not in keep:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


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
