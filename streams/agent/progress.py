"""How far an agent is: written by the batch loop, read by the watermarks, the watchdog and the pages."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from streams.wire.record import Record


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """One partition of one topic."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Done:
    """The last record of a partition whose effects are in, as are those of all before it."""

    offset: int
    append_time_ms: int


@dataclass(slots=True)
class Progress:
    """Assignments of whole values only, so that other threads may read at any time."""

    done: dict[Partition, Done] = field(default_factory=dict)
    num_beats: int = 0
    paused: str | None = None  # the reason while the body waits for what it needs

    def beat(self) -> None:
        """The body is alive, whether it gets on or waits."""
        self.num_beats += 1

    def finish(self, records: Sequence[Record]) -> None:
        """The effects of these records are in; they follow what was finished before."""
        done = {Partition(r.topic, r.partition): Done(r.offset, r.append_time_ms) for r in records}
        self.done = self.done | done
        self.beat()

    def forget(self, kept: frozenset[Partition]) -> None:
        """Drop what belongs to partitions that are no longer ours."""
        self.done = {partition: done for partition, done in self.done.items() if partition in kept}
