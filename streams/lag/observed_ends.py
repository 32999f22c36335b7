"""The end of each partition over time, as observed: what turns an offset into the age of a record."""

from collections.abc import Mapping

from streams.lag.seconds import seconds_behind
from streams.lag.snapshot import Place, Snapshot

MAX_OBSERVATIONS = 1000  # of one partition; beyond that every second one is dropped, and ages get coarser


class ObservedEnds:
    """(time in s, end offset) per partition, oldest first, kept as far back as the group furthest behind needs."""

    def __init__(self) -> None:
        self._ends: dict[Place, list[tuple[float, int]]] = {}

    def add(self, snapshot: Snapshot) -> None:
        """Observe the ends of a snapshot; partitions that are gone are forgotten."""
        self._ends = {place: ends for place, ends in self._ends.items() if place in snapshot.partitions}
        for place, partition in snapshot.partitions.items():
            ends = self._ends.setdefault(place, [])
            if ends and partition.end < ends[-1][1]:
                ends.clear()  # the topic was made anew
            if len(ends) >= 2 and ends[-1][1] == ends[-2][1] == partition.end:
                ends.pop()  # of a still stretch the first and the last observation are enough
            ends.append((snapshot.time_s, partition.end))

    def age(self, place: Place, offset: int, now_s: float) -> float | None:
        """How long the record at `offset` has been there, 0 if it is not yet; None if it is older than what is kept."""
        return seconds_behind(self._ends.get(place, ()), offset, now_s)

    def learn(self, place: Place, offset: int, append_s: float) -> None:
        """An older observation from elsewhere: the record at `offset` was appended at `append_s`."""
        ends = self._ends[place]
        if ends and offset < ends[0][1]:
            time_s = min(append_s, ends[0][0])  # the broker's clock may be ahead of ours
            ends[:0] = [(time_s, offset), (time_s, offset + 1)]

    def keep(self, lowest: Mapping[Place, int]) -> None:
        """Forget what no record at or after these offsets needs; partitions not named keep one observation."""
        for place, ends in self._ends.items():
            offset = lowest.get(place)
            needed = next((i for i, (_, end) in enumerate(ends) if offset is not None and end > offset), len(ends))
            del ends[: max(0, needed - 1)]
            if len(ends) > MAX_OBSERVATIONS:
                ends[:] = [*ends[:-1:2], ends[-1]]
