"""Watermarks: per partition, the append time up to which all effects are in (pure rule, and the task that writes)."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cache.store import Store, StoreUnavailable
from runtime.clock import Clock
from runtime.logs import kv
from streams.agent import metrics
from streams.agent.progress import Done, Partition, Progress

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What the broker last said of a partition: its end offset, and when (ms) that answer came; None before any."""

    highwater: int | None
    polled_ms: int | None


class ConsumerView(Protocol):
    """What the watermarks need to know of the consumer; not ours: absent."""

    def assignment(self) -> frozenset[Partition]: ...

    def generation(self) -> int:
        """Changes with every assignment."""
        ...

    def fetched(self, partition: Partition) -> Fetched: ...

    async def start_offsets(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """Where reading starts after an assignment: the committed offset, else the oldest record's."""
        ...


def watermark_ms(done: Done | None, start: int | None, fetched: Fetched) -> int | None:
    """The watermark of a partition, None while nothing is known.

    Caught up means that the next offset is the partition's end; then all that was appended until the broker's last
    answer is in, and a frozen broker does not move the watermark. Behind, it is just before the last record done: the
    next one may have the same append time.
    """
    next_offset = max(
        (offset for offset in (done.offset + 1 if done else None, start) if offset is not None), default=-1
    )
    if fetched.polled_ms is not None and next_offset == fetched.highwater:
        return fetched.polled_ms
    return done.append_time_ms - 1 if done else None


class Watermarks:
    """Writes the watermarks of the topics that this agent answers for, at each `tick`."""

    def __init__(
        self, store: Store, topics: Sequence[str], progress: Progress, view: Callable[[], ConsumerView], clock: Clock
    ) -> None:
        self._store = store
        self._topics = topics
        self._progress = progress
        self._view = view
        self._clock = clock
        self._starts: Mapping[Partition, int] = {}
        self._generation: int | None = None

    async def tick(self) -> None:
        """Write what is known now; what the store cannot take now comes with a later tick."""
        view = self._view()
        assignment = view.assignment()
        await self._follow(view, assignment)
        for topic in self._topics:
            own = sorted(partition for partition in assignment if partition.topic == topic)
            metrics.assigned_partitions.labels(topic).set(len(own))
            marks = {
                partition.partition: mark for partition in own if (mark := self._mark(view, partition)) is not None
            }
            if not marks:
                continue
            metrics.watermark_age_seconds.labels(topic).set((self._clock.now_ms() - min(marks.values())) / 1000)
            try:
                await self._store.write_watermarks(topic, marks)
            except StoreUnavailable as error:
                log.debug(kv("watermarks not written", topic=topic, reason=error.reason))

    async def _follow(self, view: ConsumerView, assignment: frozenset[Partition]) -> None:
        generation = view.generation()
        if generation != self._generation:
            self._progress.forget(assignment)
            self._starts = await view.start_offsets([p for p in assignment if p.topic in self._topics])
            self._generation = generation

    def _mark(self, view: ConsumerView, partition: Partition) -> int | None:
        fetched = view.fetched(partition)  # before `done`: what is done afterwards can only raise the mark
        return watermark_ms(self._progress.done.get(partition), self._starts.get(partition), fetched)
