"""Which misses are worth reporting: each id once a minute, and not more than the agents should be asked at once."""

from collections.abc import Sequence
from typing import TypeVar

from runtime.clock import Clock

WINDOW_S = 60.0

Id = TypeVar("Id", bound=str)


class MissLimit:
    """Remembers the ids reported in this minute; at most `max_per_s` ids a second, saved up for one second."""

    def __init__(self, clock: Clock, max_per_s: int) -> None:
        self._clock = clock
        self._max_per_s = max_per_s
        self._window = -1
        self._reported: set[str] = set()
        self._allowance = float(max_per_s)
        self._at_s = clock.monotonic()

    def allow(self, id_: str) -> bool:
        """Whether to report `id_` now; a yes is remembered."""
        return bool(self.allowed([id_]))

    def allowed(self, ids: Sequence[Id]) -> list[Id]:
        """Those of `ids` to report now, in their order; they are remembered."""
        now_s = self._clock.monotonic()
        self._allowance = min(self._allowance + (now_s - self._at_s) * self._max_per_s, float(self._max_per_s))
        self._at_s = now_s
        window = int(now_s // WINDOW_S)
        if window != self._window:
            self._window, self._reported = window, set()
        allowed: list[Id] = []
        for id_ in ids:
            if self._allowance < 1:
                break
            if id_ not in self._reported:
                self._allowance -= 1
                self._reported.add(id_)
                allowed.append(id_)
        return allowed
