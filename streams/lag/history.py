"""Snapshots over time become a report: windows for the verdicts, observed ends for the seconds, a trend per group."""

from collections import deque
from collections.abc import Callable, Collection, Mapping

from streams.lag.groups import AGENT_TOPICS
from streams.lag.observed_ends import ObservedEnds
from streams.lag.report import GroupLag, LagReport, PartitionLag
from streams.lag.rules import Reading, judge, judge_group
from streams.lag.snapshot import GroupState, PartitionState, Place, Snapshot

Waiting = tuple[Place, int]  # a partition and the offset of the next record to read there

# Asked for the append times in seconds of these records; may leave some out.
Lookup = Callable[[Collection[Waiting]], Mapping[Waiting, float]]


class LagHistory:
    """Bounded memory of what was read; deterministic, no I/O but `lookup`."""

    def __init__(self, *, window_s: float, history_s: float, lookup: Lookup | None = None) -> None:
        """`lookup` answers for records older than the observed ends; without it their seconds are None."""
        self._window_s = window_s
        self._history_s = history_s
        self._lookup = lookup or (lambda _offsets: {})
        self._windows: dict[tuple[str, Place], deque[Reading]] = {}
        self._ends = ObservedEnds()
        self._trends: dict[str, deque[tuple[float, int]]] = {}

    def add(self, snapshot: Snapshot) -> LagReport:
        """Remember the snapshot and say how things stand; snapshots must come in time order."""
        self._ends.add(snapshot)
        waiting = {
            name: {place: _next_offset(group, place, snapshot.partitions[place]) for place in _places(name, snapshot)}
            for name, group in snapshot.groups.items()
        }
        ages = self._ages(waiting, snapshot)
        groups = [self._group(name, waiting[name], ages, snapshot) for name in snapshot.groups]
        self._forget(snapshot, {(name, place) for name, places in waiting.items() for place in places})
        order = {name: index for index, name in enumerate(AGENT_TOPICS)}
        groups.sort(key=lambda group: (order.get(group.group, len(order)), group.group))
        return LagReport(snapshot.time_s, tuple(groups))

    def _group(
        self, name: str, places: Mapping[Place, int], ages: Mapping[Waiting, float], snapshot: Snapshot
    ) -> GroupLag:
        group = snapshot.groups[name]
        partitions = []
        for place, offset in sorted(places.items()):
            end = snapshot.partitions[place].end
            lag = max(0, end - offset)
            committed = group.committed.get(place)
            window = self._windows.setdefault((name, place), deque())
            window.append(Reading(snapshot.time_s, committed, lag, group.num_members))
            while len(window) > 1 and window[1].time_s <= snapshot.time_s - self._window_s:
                window.popleft()  # one reading at or before the window's start stays, so that it becomes whole
            verdict = judge(window, self._window_s)
            seconds = ages.get((place, offset)) if lag else 0.0
            partitions.append(PartitionLag(*place, committed, end, lag, seconds, verdict))
        total = sum(partition.lag for partition in partitions)
        trend = self._trends.setdefault(name, deque())
        trend.append((snapshot.time_s, total))
        while trend[0][0] < snapshot.time_s - self._history_s:
            trend.popleft()
        known = [partition.seconds for partition in partitions if partition.seconds is not None]
        return GroupLag(
            group=name,
            verdict=judge_group(
                [partition.verdict for partition in partitions],
                [self._windows[name, place] for place in places],
                group.num_members,
            ),
            lag=total,
            seconds=max(known) if known else (None if partitions else 0.0),
            state=group.state,
            num_members=group.num_members,
            partitions=tuple(partitions),
            trend=tuple(trend),
        )

    def _ages(self, waiting: Mapping[str, Mapping[Place, int]], snapshot: Snapshot) -> dict[Waiting, float]:
        """Age in seconds of the next unread record of every group and partition, where it is known."""
        wanted = {item for places in waiting.values() for item in places.items()}
        older = {item for item in wanted if self._ends.age(*item, snapshot.time_s) is None}
        if older:
            # The greatest offset first, so that each is older than what is known by then.
            for (place, offset), append_s in sorted(self._lookup(older).items(), key=lambda known: -known[0][1]):
                self._ends.learn(place, offset, append_s)
        ages = {item: self._ends.age(*item, snapshot.time_s) for item in wanted}
        lowest: dict[Place, int] = {}
        for place, offset in wanted:
            lowest[place] = min(offset, lowest.get(place, offset))
        self._ends.keep(lowest)
        return {item: age for item, age in ages.items() if age is not None}

    def _forget(self, snapshot: Snapshot, live: set[tuple[str, Place]]) -> None:
        """Drop what is gone from the broker, so that memory does not grow with its past."""
        self._windows = {key: window for key, window in self._windows.items() if key in live}
        self._trends = {name: trend for name, trend in self._trends.items() if name in snapshot.groups}


def _places(name: str, snapshot: Snapshot) -> list[Place]:
    """Every partition of the topics that the group has committed on, or must read because it is one of our agents."""
    group = snapshot.groups[name]
    topics = {place.topic for place in group.committed} | {str(topic) for topic in AGENT_TOPICS.get(name, ())}
    return [place for place in snapshot.partitions if place.topic in topics]


def _next_offset(group: GroupState, place: Place, partition: PartitionState) -> int:
    """The next record the group has to read; what retention has removed is not waiting any more."""
    return max(partition.begin, group.committed.get(place, partition.begin))
