"""Reads topics without a consumer group: a bounded part of the log, or everything from a point on.

For `tail`, `rebuild` and training from topics. It commits nothing and so moves nobody's offsets.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from runtime.settings import KafkaSettings
from streams.wire.connection import ConnectionErrors, ask
from streams.wire.record import Record

T = TypeVar("T")

# A consumer must name a group even if it never joins one; rights on the group are not needed.
_UNUSED_GROUP = "solaris.reader"
_BATCH_WAIT_S = 0.5
# A topic just created, or a broker just lost: a leader is being found.
_PASSING = frozenset({KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE})
_HARMLESS = frozenset({KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN})


class ReaderError(Exception):
    """The topic cannot be read: missing, not permitted, or the broker does not answer."""


@dataclass(frozen=True, slots=True)
class FromBeginning:
    """Start at the oldest record that the broker still has."""


@dataclass(frozen=True, slots=True)
class FromEnd:
    """Start after the newest record."""


@dataclass(frozen=True, slots=True)
class FromTime:
    """Start at the first record appended at or after `time_ms`."""

    time_ms: int


@dataclass(frozen=True, slots=True)
class FromOffsets:
    """Start at these offsets; partitions that are not named start at the beginning."""

    offsets: Mapping[int, int]


Start = FromBeginning | FromEnd | FromTime | FromOffsets


class Reader:
    """One topic, all partitions (or those named). Use as a context manager; not for several threads."""

    def __init__(
        self,
        settings: KafkaSettings,
        topic: str,
        *,
        partitions: Sequence[int] | None = None,
        timeout_s: float = 15.0,
    ) -> None:
        """`timeout_s`: how long the broker may be silent before a bounded read raises ReaderError."""
        self._topic = str(topic)  # librdkafka refuses a StrEnum in places
        self._timeout_s = timeout_s
        self._partitions = list(partitions) if partitions is not None else None
        self._errors = ConnectionErrors()
        self._consumer = Consumer(
            {
                **settings.librdkafka(),
                "group.id": _UNUSED_GROUP,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",  # what retention removed while we read is skipped, not fatal
                "fetch.wait.max.ms": 100,
                "log_level": 2,
                "error_cb": self._errors.note,
            }
        )

    def __enter__(self) -> "Reader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def partitions(self) -> list[int]:
        """The partitions this reader reads; raises ReaderError if the topic is missing or hidden."""
        if self._partitions is None:
            metadata = self._asked(lambda s: self._consumer.list_topics(self._topic, timeout=s))
            topic = metadata.topics[self._topic]
            if topic.error is not None:
                raise ReaderError(f"{self._topic}: {topic.error.str()}; create topics with `python -m streams topics`")
            self._partitions = sorted(topic.partitions)
        return self._partitions

    def watermarks(self) -> dict[int, tuple[int, int]]:
        """Oldest offset and end offset (one past the newest record) of each partition, now."""
        return {partition: self._watermark(TopicPartition(self._topic, partition)) for partition in self.partitions()}

    def read(self, start: Start | None = None, *, until: Mapping[int, int] | None = None) -> Iterator[Record]:
        """Every record from `start` to `until` (end offsets; default: where the log ends now), partition by partition
        in order, partitions mixed."""
        for batch in self.read_batches(start, until=until):
            yield from batch

    def follow(self, start: Start | None = None) -> Iterator[Record | None]:
        """Records from `start` (default: the end) for ever; None twice a second while there is nothing."""
        self._assign(self._start_offsets(start or FromEnd()))
        while True:
            messages = self._fetch(500)
            records = [_record(message) for message in self._passable(messages) if message.error() is None]
            yield from records
            if not records:
                yield None

    def read_batches(
        self,
        start: Start | None = None,
        *,
        until: Mapping[int, int] | None = None,
        max_records: int = 1000,
    ) -> Iterator[list[Record]]:
        """As `read`, in lists of at most `max_records`, never empty. The fast way: 1000 records a call."""
        ends = until if until is not None else {p: high for p, (_, high) in self.watermarks().items()}
        offsets = self._start_offsets(start or FromBeginning())
        unfinished = {p for p, offset in offsets.items() if offset < ends.get(p, 0)}
        self._assign({p: offsets[p] for p in unfinished})
        try:
            yield from self._batches(unfinished, ends, max_records)
        finally:
            self._consumer.unassign()  # assigning over a live assignment costs seconds (measured: 4.5 s)

    def _batches(self, unfinished: set[int], ends: Mapping[int, int], max_records: int) -> Iterator[list[Record]]:
        last_progress = time.monotonic()
        while unfinished:
            messages = self._fetch(max_records)
            batch: list[Record] = []
            for message in self._passable(messages):
                partition, end = message.partition(), ends[message.partition()]
                if message.error() is None:
                    if message.offset() < end:
                        batch.append(_record(message))
                    if message.offset() >= end - 1:
                        unfinished.discard(partition)
                elif message.offset() >= end:  # the partition's end; the last offsets held no records
                    unfinished.discard(partition)
            if messages:
                last_progress = time.monotonic()
            elif time.monotonic() - last_progress > self._timeout_s:
                why = self._errors.cause or "no error"
                raise ReaderError(f"{self._topic}: no answer for {self._timeout_s:.0f} s ({why})")
            if batch:
                yield batch
                last_progress = time.monotonic()  # the caller's work is not the broker's silence

    def _start_offsets(self, start: Start) -> dict[int, int]:
        if isinstance(start, FromTime):
            wanted = [TopicPartition(self._topic, p, start.time_ms) for p in self.partitions()]
            found = self._asked(lambda s: self._consumer.offsets_for_times(wanted, timeout=s))
            highs = {p: high for p, (_, high) in self.watermarks().items()}
            return {tp.partition: tp.offset if tp.offset >= 0 else highs[tp.partition] for tp in found}
        watermarks = self.watermarks()
        if isinstance(start, FromEnd):
            return {p: high for p, (_, high) in watermarks.items()}
        wanted_offsets = start.offsets if isinstance(start, FromOffsets) else {}
        return {p: max(low, wanted_offsets.get(p, low)) for p, (low, _) in watermarks.items()}

    def _watermark(self, place: TopicPartition) -> tuple[int, int]:
        low, high = self._asked(lambda s: self._consumer.get_watermark_offsets(place, timeout=s))
        return low, high

    def _asked(self, question: Callable[[float], T]) -> T:
        """The answer to a question, asked again while a partition has no leader; raises ReaderError."""
        try:
            return ask(question, self._errors, lambda: self._consumer.poll(0), self._timeout_s, _PASSING)
        except KafkaException as error:
            raise self._failure(error.args[0]) from None

    def _fetch(self, max_messages: int) -> list[Message]:
        """What is there now, or the first that comes; a plain `consume` would always wait for the whole batch."""
        first = self._consumer.poll(_BATCH_WAIT_S)
        if first is None:
            return []
        rest: list[Message] = self._consumer.consume(max_messages - 1, timeout=0) if max_messages > 1 else []
        return [first, *rest]

    def _assign(self, offsets: Mapping[int, int]) -> None:
        self._consumer.assign([TopicPartition(self._topic, p, offset) for p, offset in sorted(offsets.items())])

    def _passable(self, messages: Sequence[Message]) -> Iterator[Message]:
        """Records and ends of partitions; raises ReaderError for an error that will not pass by itself."""
        for message in messages:
            error = message.error()
            if error is None or error.code() == KafkaError._PARTITION_EOF:
                yield message
            elif error.code() not in _HARMLESS:
                raise self._failure(error)

    def _failure(self, error: KafkaError) -> ReaderError:
        return ReaderError(f"{self._topic}: {self._errors.cause or error.str()}")


def _record(message: Message) -> Record:
    return Record(
        topic=message.topic(),
        partition=message.partition(),
        offset=message.offset(),
        append_time_ms=message.timestamp()[1],
        key=message.key(),
        value=message.value(),
        headers=tuple(message.headers() or ()),
    )
