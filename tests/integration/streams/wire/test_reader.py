"""Reading without a group: bounded, from a point, following, and refusals that say so."""

import uuid
from collections.abc import Iterator

import pytest

from runtime.settings import KafkaSettings
from streams.admin import Admin
from streams.wire.producer import Producer
from streams.wire.reader import FromEnd, FromOffsets, FromTime, Reader, ReaderError
from streams.wire.topics import TopicSpec

pytestmark = pytest.mark.kafka

NUM_RECORDS = 2500  # more than two batches


@pytest.fixture
def settings(kafka_bootstrap: str) -> KafkaSettings:
    return KafkaSettings(bootstrap=kafka_bootstrap)


@pytest.fixture
def topic(settings: KafkaSettings) -> str:
    name = f"test.{uuid.uuid4().hex}.v1"
    Admin(settings).create_topics([TopicSpec(name, 4, 3_600_000, "any")])
    return name


@pytest.fixture
def producer(settings: KafkaSettings) -> Iterator[Producer]:
    producer = Producer(settings)
    yield producer
    producer.close()


def send(producer: Producer, topic: str, numbers: range) -> None:
    for number in numbers:
        producer.send_raw(topic, f"k{number % 50}".encode(), str(number).encode())
    assert producer.flush(60) == 0


def test_all_records_come_once_and_in_order_within_a_partition(
    settings: KafkaSettings, topic: str, producer: Producer
) -> None:
    send(producer, topic, range(NUM_RECORDS))
    with Reader(settings, topic) as reader:
        records = list(reader.read())
    assert sorted(int(record.value or b"") for record in records) == list(range(NUM_RECORDS))
    for partition in range(4):
        offsets = [record.offset for record in records if record.partition == partition]
        assert offsets == list(range(len(offsets)))
    assert all(record.append_time_ms > 1_600_000_000_000 for record in records)


def test_a_bounded_read_leaves_out_what_arrives_meanwhile(
    settings: KafkaSettings, topic: str, producer: Producer
) -> None:
    send(producer, topic, range(100))
    with Reader(settings, topic) as reader:
        ends = {partition: high for partition, (_, high) in reader.watermarks().items()}
        send(producer, topic, range(100, 200))
        assert sorted(int(record.value or b"") for record in reader.read(until=ends)) == list(range(100))
        rest = list(reader.read(FromOffsets(ends)))
    assert sorted(int(record.value or b"") for record in rest) == list(range(100, 200))


def test_an_empty_topic_ends_at_once(settings: KafkaSettings, topic: str) -> None:
    with Reader(settings, topic) as reader:
        assert list(reader.read()) == []
        assert list(reader.read(FromEnd())) == []


def test_a_read_can_start_at_an_append_time(settings: KafkaSettings, topic: str, producer: Producer) -> None:
    send(producer, topic, range(50))
    with Reader(settings, topic) as reader:
        last_ms = max(record.append_time_ms for record in reader.read())
        assert len(list(reader.read(FromTime(0)))) == 50
        assert list(reader.read(FromTime(last_ms + 3_600_000))) == []
        assert all(record.append_time_ms >= last_ms for record in reader.read(FromTime(last_ms)))


def test_single_partitions_can_be_read(settings: KafkaSettings, topic: str, producer: Producer) -> None:
    send(producer, topic, range(200))
    with Reader(settings, topic, partitions=[2]) as reader:
        assert {record.partition for record in reader.read()} == {2}


def test_following_yields_new_records_and_none_while_idle(
    settings: KafkaSettings, topic: str, producer: Producer
) -> None:
    send(producer, topic, range(10))
    with Reader(settings, topic) as reader:
        following = reader.follow()
        assert next(following) is None
        send(producer, topic, range(10, 11))
        record = next(record for record in following if record is not None)
    assert record.value == b"10"


def test_a_missing_topic_is_an_error_that_says_what_to_do(settings: KafkaSettings) -> None:
    with Reader(settings, "no.such.topic.v1") as reader, pytest.raises(ReaderError, match="streams topics"):
        list(reader.read())


def test_a_broker_that_does_not_answer_is_an_error() -> None:
    with (
        Reader(KafkaSettings(bootstrap="127.0.0.1:1"), "any", timeout_s=1.0) as reader,
        pytest.raises(ReaderError, match="any"),
    ):
        list(reader.read())
