"""Topics and consumers that the lag tests watch."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer, TopicPartition

from runtime.settings import KafkaSettings
from streams.admin import Admin
from streams.wire.producer import Producer
from streams.wire.topics import TopicSpec
from tests.waiting import wait_until


def new_topic(settings: KafkaSettings, num_partitions: int = 2) -> str:
    """Create a topic nobody else uses."""
    name = f"test.lag-{uuid.uuid4().hex[:8]}.v1"
    Admin(settings).create_topics([TopicSpec(name, num_partitions, 3_600_000, "any")])
    return name


def produce(settings: KafkaSettings, topic: str, number: int) -> None:
    """Send `number` records and wait until the broker has them."""
    producer = Producer(settings)
    for index in range(number):
        producer.send_raw(topic, f"k{index}".encode(), b"{}")
    assert producer.close(60) == 0


@contextmanager
def member(settings: KafkaSettings, group: str, topic: str, **config: str) -> Iterator[Consumer]:
    """A consumer that has joined the group and been given partitions; it commits only when told to."""
    consumer = Consumer(
        settings.librdkafka()
        | {"group.id": group, "enable.auto.commit": "false", "auto.offset.reset": "earliest"}
        | {name.replace("_", "."): value for name, value in config.items()}
    )
    consumer.subscribe([topic])

    def joined() -> bool:
        consumer.poll(0.05)
        return bool(consumer.assignment())

    try:
        wait_until(joined, timeout_s=60)
        yield consumer
    finally:
        consumer.close()


def commit(consumer: Consumer, topic: str, offsets: dict[int, int]) -> None:
    """Commit these offsets and wait for the answer."""
    consumer.commit(offsets=[TopicPartition(topic, p, offset) for p, offset in offsets.items()], asynchronous=False)
