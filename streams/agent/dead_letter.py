"""Records that cannot be processed, on their way to `<topic>.dlq`: the bytes as they were, the reason in headers.

Several groups read some topics. Only the one that answers for a topic sends its dead letters, so that they come once.
"""

import asyncio
from collections.abc import Collection
from typing import Protocol

from streams.wire.codec import Rejection
from streams.wire.headers import Headers
from streams.wire.record import Record
from streams.wire.topics import MAX_RECORD_BYTES, dead_letter_topic

EFFECT_FAILED = "effect-failed"  # beside the codec's reasons: decoded, but its effect raised twice
ROOM_BYTES = 8_192  # kept free for our headers, so that the largest legal record still fits with them
MAX_DETAIL_BYTES = 512


class DeadLetterFailed(Exception):
    """The broker will never take this dead letter; going on would lose the record in silence."""


class Producing(Protocol):
    """The part of `streams.wire.producer.Producer` that is needed here."""

    async def deliver_raw(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = (), *, timeout_s: float = 30.0
    ) -> None: ...


class DeadLetters:
    """Delivers the dead letters of `group`, which answers for `topics`; when a call returns, the broker has them."""

    def __init__(self, producer: Producing, timeout_s: float, group: str, topics: Collection[str]) -> None:
        self._producer = producer
        self._timeout_s = timeout_s
        self._group = group
        self._topics = frozenset(topics)

    def answers_for(self, record: Record) -> bool:
        """Whether this group is the one that sends dead letters of the record's topic."""
        return record.topic in self._topics

    async def send(self, rejected: list[tuple[Record, str, str]]) -> None:
        """Deliver (record, reason, detail); raises what the producer raises, and then any of them may be there."""
        await asyncio.gather(*[self._send(record, reason, detail) for record, reason, detail in rejected])

    async def _send(self, record: Record, reason: str, detail: str) -> None:
        value, headers = record.value, (*record.headers, *dead_letter_headers(record, reason, detail, self._group))
        room = MAX_RECORD_BYTES - ROOM_BYTES - len(record.key or b"") - _num_bytes(record.headers)
        if value is not None and len(value) > room:
            headers = (*headers, ("original_bytes", str(len(value)).encode()))
            value = value[: max(room, 0)]
        await self._producer.deliver_raw(
            dead_letter_topic(record.topic), record.key, value, headers, timeout_s=self._timeout_s
        )


def dead_letter_headers(record: Record, reason: str, detail: str, group: str) -> Headers:
    """What is said of a dead letter: why, who says so, and where it came from."""
    return (
        ("reason", reason.encode()),
        ("detail", detail.encode(errors="replace")[:MAX_DETAIL_BYTES]),
        ("group", group.encode()),
        ("topic", record.topic.encode()),
        ("partition", str(record.partition).encode()),
        ("offset", str(record.offset).encode()),
    )


def rejected(record: Record, rejection: Rejection) -> tuple[Record, str, str]:
    """A rejection of the codec as `DeadLetters.send` takes it."""
    return record, rejection.reason.value, rejection.detail


def _num_bytes(headers: Headers) -> int:
    return sum(len(name) + len(value or b"") + 16 for name, value in headers)
