"""Processes known by a variable in their environment: whatever descends from a command that a test has started."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from local.process import carries, children_of

NAME = "TEST_MARK"


class Marked:
    """A started command and all its descendants, as this process sees them."""

    def __init__(self, words: list[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        self.variable = f"{NAME}={uuid.uuid4().hex}"
        key, value = self.variable.split("=")
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, *words],
                env={**os.environ, **(env or {}), key: value, "PYTHONUNBUFFERED": "1"},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def alive(self) -> list[int]:
        """All processes that carry the mark; a dead one carries nothing."""
        return [int(path.name) for path in Path("/proc").glob("[0-9]*") if carries(int(path.name), self.variable)]

    def inner(self) -> int:
        """The process that the guard guards."""
        return children_of(self.process.pid)[0]

    def kill(self) -> None:
        """Kill whatever is left of it, and wait for the command itself."""
        for pid in self.alive():
            with suppress(ProcessLookupError):  # the death of one may have been that of the next
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def output(self) -> str:
        """What it has printed so far."""
        return self.log.read_text()


@contextmanager
def marked(words: list[str], log: Path, env: Mapping[str, str] | None = None) -> Iterator[Marked]:
    """Start `python WORDS`; whatever is left of it at the end is killed."""
    command = Marked(words, log, env)
    try:
        yield command
    finally:
        command.kill()
