"""Time, passed in so that tests decide what it is."""

import time
from typing import Protocol


class Clock(Protocol):
    """Wall time in integer milliseconds since the epoch, and a monotonic time in seconds."""

    def now_ms(self) -> int: ...

    def monotonic(self) -> float: ...


def now_ms() -> int:
    """The machine's wall time, for commands that run once; what is tested against time takes a Clock."""
    return time.time_ns() // 1_000_000


class SystemClock:
    """The machine's clocks."""

    def now_ms(self) -> int:
        return now_ms()

    def monotonic(self) -> float:
        return time.monotonic()


class ManualClock:
    """A clock that moves only when told to; for tests."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._now_ms = now_ms
        self._monotonic = 0.0

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Move both times forward."""
        self._now_ms += round(seconds * 1000)
        self._monotonic += seconds
