"""What Faust's consumer knows, behind a plain face: the one place that reaches into Faust and aiokafka."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka.structs import TopicPartition

from streams.agent.progress import Partition
from streams.agent.watermark import Fetched
from streams.wire.record import Record


class FaustView:
    """`streams.agent.watermark.ConsumerView` of a running Faust app; empty before the consumer has started."""

    def __init__(self, app: Any) -> None:  # Any: Faust has no types
        self._app = app

    def assignment(self) -> frozenset[Partition]:
        """The partitions that are ours now."""
        consumer = self._consumer()
        if consumer is None:
            return frozenset()
        return frozenset(Partition(tp.topic, tp.partition) for tp in consumer.assignment())

    def generation(self) -> int:
        """Changes with every assignment."""
        generation: int = self._app.consumer_generation_id
        return generation

    def fetched(self, partition: Partition) -> Fetched:
        """The time is read before the end offset: the other way round a mark could be too high."""
        consumer = self._consumer()
        try:
            polled_ms = consumer.last_poll_timestamp(_tp(partition))
            return Fetched(consumer.highwater(_tp(partition)), polled_ms)
        except (AssertionError, AttributeError, KeyError):  # not ours any more, or not started
            return Fetched(None, None)

    async def start_offsets(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """Committed offsets, or the oldest offsets where those are later; asks the broker."""
        consumer = self._consumer()
        if consumer is None or not partitions:
            return {}
        return await self._app.consumer._thread.call_thread(_start_offsets, consumer, partitions)  # type: ignore[no-any-return]

    def committed(self) -> dict[Partition, int]:
        """Offsets as last committed by this process, of the partitions that are ours."""
        if self._consumer() is None:
            return {}
        committed = dict(self._app.consumer._committed_offset)
        return {Partition(tp.topic, tp.partition): offset for tp, offset in committed.items() if offset is not None}

    def _consumer(self) -> Any:  # Any: aiokafka has no types
        consumer = self._app._consumer  # the property would make one
        return None if consumer is None else consumer._thread._consumer


async def _start_offsets(consumer: Any, partitions: Sequence[Partition]) -> dict[Partition, int]:
    """Runs in the consumer's own thread and loop."""
    oldest = await consumer.beginning_offsets([_tp(partition) for partition in partitions])
    committed = await asyncio.gather(*[consumer.committed(_tp(partition)) for partition in partitions])
    return {p: max(offset or 0, oldest[_tp(p)]) for p, offset in zip(partitions, committed, strict=True)}


def _tp(partition: Partition) -> TopicPartition:
    return TopicPartition(partition.topic, partition.partition)


def record_of(event: Any) -> Record:  # Any: a Faust event
    """The record under a Faust event, its bytes as they were."""
    message = event.message
    return Record(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        append_time_ms=round(message.timestamp * 1000),
        key=message.key,
        value=message.value,
        headers=tuple(_pairs(message.headers)),
    )


def _pairs(headers: Any) -> list[tuple[str, bytes | None]]:  # Any: a mapping, a list, or None
    return list(headers.items() if isinstance(headers, Mapping) else headers or ())
