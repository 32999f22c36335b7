"""A Kafka record as every reader of ours hands it on, whichever client fetched it."""

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Record:
    """Raw bytes of one record and its place in the log.

    `append_time_ms` is the broker's append time (every topic has LogAppendTime), not what the producer claims.
    """

    topic: str
    partition: int
    offset: int
    append_time_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Received(Generic[T]):
    """A decoded event and the place in the log that orders it."""

    event: T
    topic: str
    partition: int
    offset: int
    append_time_ms: int

    @property
    def rev(self) -> int:
        """The revision this record gives to what it changes: its offset + 1, so that 0 means never."""
        return self.offset + 1
