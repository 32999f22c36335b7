"""When the next unread record was appended, for offsets older than what the monitor has observed itself."""

import time
from collections.abc import Collection, Mapping

from confluent_kafka import Consumer, TopicPartition

from runtime.settings import KafkaSettings
from streams.lag.snapshot import Place

MAX_LOOKUPS = 64  # partitions fetched in one go; the others have their turn at the next read


class AppendTimes:
    """Fetches one record per partition; not for several threads."""

    def __init__(self, settings: KafkaSettings, *, timeout_s: float = 3.0) -> None:
        """`timeout_s` bounds one lookup."""
        self._timeout_s = timeout_s
        self._consumer = Consumer(
            {
                **settings.librdkafka(),
                "group.id": "solaris.lag",  # never joined
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",  # what retention removed is not waiting any more
                "queued.min.messages": 1,
                "fetch.queue.backoff.ms": 10,
                # No smaller fetch size: the broker exceeds it for one partition only, and the others would wait.
                "fetch.wait.max.ms": 50,
                "log_level": 2,
            }
        )

    def lookup(self, wanted: Collection[tuple[Place, int]]) -> dict[tuple[Place, int], float]:
        """Append time in seconds of the first record at or after each offset; absent where none came in time."""
        found: dict[tuple[Place, int], float] = {}
        unknown = sorted(wanted)[:MAX_LOOKUPS]
        deadline = time.monotonic() + self._timeout_s
        while unknown and time.monotonic() < deadline:
            turn = dict(unknown)  # one offset of each partition
            found |= self._fetch(turn, deadline)
            unknown = [(place, offset) for place, offset in unknown if turn[place] != offset]
        return found

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def _fetch(self, offsets: Mapping[Place, int], deadline: float) -> dict[tuple[Place, int], float]:
        missing = dict(offsets)
        found: dict[tuple[Place, int], float] = {}
        self._consumer.assign([TopicPartition(*place, offset) for place, offset in offsets.items()])
        try:
            while missing and time.monotonic() < deadline:
                message = self._consumer.poll(0.1)
                if message is None or message.error() is not None:
                    continue
                place = Place(message.topic(), message.partition())
                if place in missing:
                    found[place, missing.pop(place)] = message.timestamp()[1] / 1000
                    self._consumer.incremental_unassign([TopicPartition(*place)])
        finally:
            self._consumer.unassign()
        return found
