"""A server that we start and wait for: what Kafka and Valkey have in common."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from local.process import Child, tail

POLL_S = 0.05
TRIES = 3  # of a start on a free port that somebody else took meanwhile


class ServerError(Exception):
    """A server did not start; the message ends with the last lines of its log."""


class Server(Protocol):
    """How to start one server and how to know that it serves."""

    @property
    def name(self) -> str: ...

    def prepare(self) -> None:
        """Write files, fetch what is needed; may take long, starts nothing that stays."""

    def command(self) -> list[str]: ...

    def is_ready(self) -> bool:
        """Ask it once, with a timeout; never raises."""


S = TypeVar("S", bound=Server)


@contextmanager
def running(make: Callable[[], S], log: Path, timeout_s: float = 60.0, stop_timeout_s: float = 20.0) -> Iterator[S]:
    """Start the server that `make` describes, yield it when it is ready, stop it for certain.

    `make` is called again, for other ports, when the process dies before it is ready; raises ServerError.
    """
    child = None
    for attempt in range(1, TRIES + 1):
        server = make()
        server.prepare()
        with log.open("ab") as output:
            child = Child(server.command(), output=output)
        try:
            _wait_ready(server, child, log, timeout_s)
        except ServerError:
            child.kill()
            if attempt == TRIES or child.status is None:
                raise
        except BaseException:
            child.kill()
            raise
        else:
            break
    assert child is not None
    try:
        yield server
    finally:
        child.stop(stop_timeout_s)


def _wait_ready(server: Server, child: Child, log: Path, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not server.is_ready():
        if child.status is not None:
            raise ServerError(f"{server.name} ended with status {child.status} before it was ready:\n{tail(log)}")
        if time.monotonic() > deadline:
            raise ServerError(f"{server.name} was not ready after {timeout_s:.0f} s:\n{tail(log)}")
        time.sleep(POLL_S)
