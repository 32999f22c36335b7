"""Progress: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
LINE_EVERY_S = 5.0


class Progress:
    """Reports the steps of named stages on standard error; `quiet` says nothing."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        """One line, with the seconds since the beginning."""
        if not self._quiet:
            tqdm.write(f"[{time.monotonic() - self._began:5.1f} s] {text}", file=sys.stderr)

    def track(self, stage: str, steps: Iterable[T], total: int) -> Iterator[T]:
        """Yield `steps`, reporting how far they are."""
        if self._quiet:
            yield from steps
            return
        if self._terminal:
            yield from tqdm(steps, desc=stage, total=total, leave=False, file=sys.stderr)
            self.say(f"{stage}: done")
            return
        last = time.monotonic()
        for number, step in enumerate(steps, start=1):
            yield step
            if time.monotonic() - last >= LINE_EVERY_S and number < total:
                last = time.monotonic()
                self.say(f"{stage}: {100 * number // total} %")
        self.say(f"{stage}: done")
