"""The producer against a real broker: keys, counts, refusals, a broker that is away."""

import asyncio
import json
import uuid

import aiokafka
import pytest
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from runtime.settings import KafkaSettings
from streams.admin import Admin
from streams.wire.events import UserMiss
from streams.wire.headers import read_headers
from streams.wire.partition import partition_of
from streams.wire.producer import Producer, ProducerFailed, ProducerFull, ProducerOptions
from streams.wire.reader import Reader
from streams.wire.record import Record
from streams.wire.topics import MAX_RECORD_BYTES, TopicSpec
from tests.waiting import wait_until

NUM_PARTITIONS = 8
KEYS = ["", "7", "anna", "ключ", "~%20", "k" * 256, *(f"user-{n}" for n in range(100))]


@pytest.fixture
def topic(kafka_bootstrap: str) -> str:
    name = f"test.{uuid.uuid4().hex}.v1"
    Admin(KafkaSettings(bootstrap=kafka_bootstrap)).create_topics([TopicSpec(name, NUM_PARTITIONS, 3_600_000, "any")])
    return name


def read_all(bootstrap: str, topic: str) -> list[Record]:
    with Reader(KafkaSettings(bootstrap=bootstrap), topic) as reader:
        return list(reader.read())


@given(st.binary(max_size=40), st.integers(1, 64))
def test_our_partition_of_a_key_is_that_of_the_agents_client(key: bytes, num_partitions: int) -> None:
    partitions = list(range(num_partitions))
    text = key.decode("latin-1")
    assert partition_of(text, num_partitions) == DefaultPartitioner()(text.encode(), partitions, partitions)


@pytest.mark.kafka
async def test_both_clients_put_a_key_on_the_same_partition(kafka_bootstrap: str, topic: str) -> None:
    producer = Producer(KafkaSettings(bootstrap=kafka_bootstrap))
    other = aiokafka.AIOKafkaProducer(bootstrap_servers=kafka_bootstrap)
    await other.start()
    try:
        for key in KEYS:
            producer.send_raw(topic, key.encode(), b"librdkafka")
            await other.send(topic, b"aiokafka", key=key.encode())
        assert producer.flush(60) == 0
    finally:
        await other.stop()
        producer.close()
    places: dict[bytes | None, set[int]] = {}
    records = await asyncio.to_thread(read_all, kafka_bootstrap, topic)
    for record in records:
        places.setdefault(record.key, set()).add(record.partition)
    assert len(records) == 2 * len(KEYS)
    # librdkafka treats an empty key as no key; ids are never empty.
    assert {k.decode(): p for k, p in places.items() if k} == {k: {partition_of(k, NUM_PARTITIONS)} for k in KEYS if k}


@pytest.mark.kafka
def test_every_record_is_accounted_for_and_carries_its_headers(kafka_bootstrap: str, topic: str) -> None:
    producer = Producer(KafkaSettings(bootstrap=kafka_bootstrap), source="solaris/test")
    outcomes: list[str | None] = []
    for number in range(1000):
        event = UserMiss(event_id=f"e{number}", event_time_ms=number, user_id=f"u{number}", model="m", version="v")
        producer.send(topic, event.user_id, event, on_delivery=outcomes.append)
    assert producer.close(60) == 0
    assert (producer.counts.sent, producer.counts.delivered, producer.counts.failed) == (1000, 1000, {})
    assert outcomes == [None] * 1000
    records = read_all(kafka_bootstrap, topic)
    assert {json.loads(record.value or b"")["event_id"] for record in records} == {f"e{n}" for n in range(1000)}
    assert {read_headers(record.headers).source for record in records} == {"solaris/test"}
    assert all(read_headers(record.headers).type == topic for record in records)


@pytest.mark.kafka
async def test_a_delivery_can_be_waited_for(kafka_bootstrap: str, topic: str) -> None:
    producer = Producer(KafkaSettings(bootstrap=kafka_bootstrap))
    await producer.deliver_raw(topic, None, b"\x00not json", (("reason", b"not-json"),))
    (record,) = await asyncio.to_thread(read_all, kafka_bootstrap, topic)
    assert (record.key, record.value, record.headers) == (None, b"\x00not json", (("reason", b"not-json"),))
    producer.close()


@pytest.mark.kafka
def test_a_record_that_is_too_large_is_refused_at_once(kafka_bootstrap: str, topic: str) -> None:
    producer = Producer(KafkaSettings(bootstrap=kafka_bootstrap))
    with pytest.raises(ProducerFailed, match="too large"):
        producer.send_raw(topic, b"k", b"x" * (MAX_RECORD_BYTES + 1))
    producer.send_raw(topic, b"k", b"x" * (MAX_RECORD_BYTES - 1000))
    assert producer.close(60) == 0
    assert producer.counts.delivered == 1


@pytest.mark.kafka
def test_records_for_a_topic_that_is_missing_fail_by_name(kafka_bootstrap: str) -> None:
    options = ProducerOptions(missing_topic_wait_ms=1000)
    producer = Producer(KafkaSettings(bootstrap=kafka_bootstrap), options=options)
    producer.send_raw("no.such.topic.v1", b"k", b"v")
    wait_until(lambda: producer.counts.failed, timeout_s=60)
    assert producer.counts.failed == {"UNKNOWN_TOPIC_OR_PART": 1}
    assert producer.close(60) == 0


def test_a_broker_that_is_away_fills_the_queue_and_shows_as_an_error() -> None:
    options = ProducerOptions(queue_max_messages=10, delivery_timeout_ms=60_000)
    producer = Producer(KafkaSettings(bootstrap="127.0.0.1:1"), options=options)
    for _ in range(10):
        producer.send_raw("any", b"k", b"v")
    with pytest.raises(ProducerFull, match="10 records"):
        producer.send_raw("any", b"k", b"v")
    wait_until(lambda: producer.error, 60)
    assert producer.counts.sent == 10
    assert producer.flush(0.1) == 10
    assert producer.close(0.1) == 10


@pytest.mark.parametrize("wrong", [{"compression": "zstd"}, {"linger_ms": 50}])
def test_options_the_agents_cannot_live_with_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ProducerOptions(**wrong)  # type: ignore[arg-type]
