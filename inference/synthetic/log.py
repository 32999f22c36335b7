"""The log of a world: what was shown and what was done, as arrays and as events."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inference.synthetic.truth import Doubles, Ints, Truth
from streams.wire.events import Activity

SURFACES = ("home", "search")
ActivityKind = Literal["impression", "click", "conversion"]


@dataclass(frozen=True, slots=True)
class Log:
    """R requests with S slots each, in time order. Times in milliseconds; what has not happened by `now_ms` is 0."""

    truth: Truth
    name: str  # prefix of request and event ids
    now_ms: int
    window_ms: int  # how long after a click a conversion counts
    user: Ints  # [R]
    time_ms: Ints  # [R]
    surface: Ints  # [R] index into SURFACES
    items: Ints  # [R, S]
    uniform: NDArray[np.bool_]  # [R, S]
    propensity: Doubles  # [R, S]
    oracle: Doubles  # [R, S] true probability of a click in that position
    click_ms: Ints  # [R, S] 0: no click
    conversion_ms: Ints  # [R, S] 0: no conversion

    def request_id(self, request: int) -> str:
        return f"{self.name}-r{request}"

    def activity(self, kinds: tuple[ActivityKind, ...] = ("impression", "click", "conversion")) -> Iterator[Activity]:
        """Every activity event of these kinds, by event time."""
        times = {
            "impression": np.repeat(self.time_ms[:, None], self.items.shape[1], axis=1),
            "click": self.click_ms,
            "conversion": self.conversion_ms,
        }
        return heapq.merge(*(self._events(kind, times[kind]) for kind in kinds), key=lambda event: event.event_time_ms)

    def _events(self, kind: ActivityKind, times: Ints) -> Iterator[Activity]:
        requests, slots = np.nonzero(times)
        for at in np.argsort(times[requests, slots], kind="stable"):
            request, slot = int(requests[at]), int(slots[at])
            yield Activity(
                event_id=f"{self.name}-r{request}-{slot}-{kind}",
                event_time_ms=int(times[request, slot]),
                user_id=self.truth.user_ids[self.user[request]],
                item_id=self.truth.item_ids[self.items[request, slot]],
                kind=kind,
                surface=SURFACES[self.surface[request]],
                request_id=self.request_id(request),
                position=slot,
            )
