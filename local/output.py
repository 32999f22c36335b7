"""The output of a service: every line into its log file, the important ones on the screen too."""

import asyncio
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

MAX_LOG_BYTES = 50_000_000  # then the file becomes NAME.log.1
MAX_LINE_BYTES = 65_536
SHOWN_IN_WINDOW = 5
WINDOW_S = 10.0  # an agent without its broker writes 60 lines a second


class ServiceLog:
    """A pipe that outlives the restarts of its service. Use it inside the running event loop."""

    def __init__(self, name: str, path: Path, show: re.Pattern[str], say: Callable[[str], None]) -> None:
        self._name, self.path, self._show, self._say = name, path, show, say
        path.parent.mkdir(parents=True, exist_ok=True)
        self._rotate()
        self._file = path.open("ab", buffering=0)
        self._read_end, self.write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        self._rest = b""
        self._window_began = 0.0
        self._shown = 0
        self._hidden = 0
        asyncio.get_running_loop().add_reader(self._read_end, self._take)

    def close(self) -> None:
        """Write what is still in the pipe; call it when the service is gone."""
        asyncio.get_running_loop().remove_reader(self._read_end)
        os.close(self.write_end)
        self._take()
        if self._rest:
            self._line(self._rest)
        os.close(self._read_end)
        self._file.close()

    def _take(self) -> None:
        while True:
            try:
                data = os.read(self._read_end, 65_536)
            except BlockingIOError:
                break
            if not data:
                break
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                self._line(line)
            if len(self._rest) > MAX_LINE_BYTES:
                self._line(self._rest)
                self._rest = b""
        if self._file.tell() > MAX_LOG_BYTES:
            self._file.close()
            self._rotate()
            self._file = self.path.open("ab", buffering=0)

    def _line(self, line: bytes) -> None:
        self._file.write(line + b"\n")
        text = line.decode(errors="replace")
        if not self._show.search(text):
            return
        now = time.monotonic()
        if now - self._window_began > WINDOW_S:
            if self._hidden:
                self._say(f"{self._name} | ({self._hidden} more such lines in {self.path})")
            self._window_began, self._shown, self._hidden = now, 0, 0
        if self._shown < SHOWN_IN_WINDOW:
            self._shown += 1
            self._say(f"{self._name} | {text}")
        else:
            self._hidden += 1

    def _rotate(self) -> None:
        if self.path.exists():
            self.path.replace(self.path.with_name(self.path.name + ".1"))
