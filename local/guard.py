"""Run a command of ours so that nothing outlives it, even when it is killed with -9.

    you -> guard (this process) -> inner process (runs the stack) -> services -> their children

With the right to make a PID namespace (root, or user namespaces) the inner process is the first of a namespace of its
own: when it dies, by whatever, the kernel kills everything in it, and it dies with the guard. Without that right the
two watch each other: the inner process stops everything when the guard dies, and the guard kills what the inner one
left. Both killed at once then leave only what a service itself has started; the services die with the inner process.
"""

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from local.process import Child, adopt_orphans, kill_descendants

STOP_TIMEOUT_S = 60.0  # from the first signal to SIGKILL; the services' own deadlines are shorter
IN_NAMESPACE = "--in-namespace"
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_CLONE_NEWNS = 0x00020000
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWPID = 0x20000000
_MS_PRIVATE_REC = (1 << 18) | 0x4000
_MS_NOSUID_NODEV_NOEXEC = 2 | 4 | 8


def guarded(command: Sequence[str], *, namespace: bool = True) -> int:
    """Run `command` to its end, forwarding signals; returns its exit status, 128 + n when signal n killed it.

    The command gets IN_NAMESPACE appended when it is the first process of one: it must call `enter_namespace`
    first and `listen_to_guard` when its signal handlers stand.
    """
    isolated = namespace and namespace_possible()
    if isolated:
        _unshare_pids()
    else:
        adopt_orphans()
    # Held back until the inner process listens: to the first process of a namespace a signal without handler is lost.
    signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)
    inner = Child(
        [*command, *([IN_NAMESPACE] if isolated else [])],
        die_with_us=signal.SIGKILL if isolated else signal.SIGTERM,
    )
    asked: list[float] = []

    def forward(number: int, _frame: object) -> None:
        asked.append(time.monotonic())
        inner.signal(signal.SIGTERM if number == signal.SIGHUP else number)

    for number in FORWARDED:
        signal.signal(number, forward)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
    while not inner.wait_exit(1.0):
        if asked and time.monotonic() - asked[0] > STOP_TIMEOUT_S:
            print(f"not stopped within {STOP_TIMEOUT_S:.0f} s; killing everything", file=sys.stderr)
            break
    status = inner.kill()
    if not isolated:
        kill_descendants()
    return status if status >= 0 else 128 - status


def listen_to_guard() -> None:
    """Take the signals that the guard has held back until now."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)


def namespace_possible() -> bool:
    """Try it out in a child: a PID namespace with a /proc of its own."""
    if sys.platform != "linux":
        return False

    def try_both() -> None:
        _unshare_pids()
        if not _in_fork(enter_namespace):
            raise OSError("no /proc of its own")

    return _in_fork(try_both)


def enter_namespace() -> None:
    """As the first process of the namespace: give it its own /proc, where process ids mean what they say."""
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.unshare(_CLONE_NEWNS))
    _check(libc.mount(b"none", b"/", None, _MS_PRIVATE_REC, None))
    _check(libc.mount(b"proc", b"/proc", b"proc", _MS_NOSUID_NODEV_NOEXEC, None))


def _unshare_pids() -> None:
    """Our next child begins a PID namespace; without root inside a user namespace that knows only us."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWPID) == 0:
        return
    user, group = os.geteuid(), os.getegid()
    _check(libc.unshare(_CLONE_NEWUSER | _CLONE_NEWPID))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")


def _in_fork(action: Callable[[], object]) -> bool:
    """Whether `action` succeeds in a forked child."""
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            action()
            os._exit(0)
        os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
