"""Creating and checking topics on a real broker."""

import uuid

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from runtime.settings import KafkaSettings
from streams.admin import Admin, AdminError, PreflightError
from streams.wire.topics import DAY_MS, TOPICS, Topic, TopicSpec

pytestmark = pytest.mark.kafka


@pytest.fixture
def admin(kafka_topics: str) -> Admin:
    return Admin(KafkaSettings(bootstrap=kafka_topics))


def spec(num_partitions: int = 2, retention_ms: int | None = DAY_MS) -> TopicSpec:
    return TopicSpec(f"test.{uuid.uuid4().hex}.v1", num_partitions, retention_ms, "any")


def test_the_topics_of_the_table_pass_their_check(admin: Admin) -> None:
    assert admin.create_topics() == []
    assert admin.check_topics() == []


def test_created_topics_are_there_and_right_at_once(admin: Admin) -> None:
    wanted = [spec(3), spec(1, None)]
    assert sorted(admin.create_topics(wanted)) == sorted(topic.name for topic in wanted)
    assert admin.check_topics(wanted) == []
    assert admin.create_topics(wanted) == []


def test_a_missing_topic_is_named(admin: Admin) -> None:
    (problem,) = admin.check_topics([missing := spec()])
    assert str(problem).startswith(f"{missing.name}: missing")


@pytest.mark.parametrize(
    ("num_partitions", "config", "complaint"),
    [
        (5, {}, "has 5 partitions, not 2"),
        (2, {"message.timestamp.type": "CreateTime"}, "message.timestamp.type=CreateTime, not LogAppendTime"),
        (2, {"cleanup.policy": "compact"}, "cleanup.policy=compact, not delete"),
        (2, {"max.message.bytes": "1000"}, "max.message.bytes=1000"),
    ],
)
def test_a_wrong_topic_is_an_error_that_says_what_is_wrong(
    admin: Admin, kafka_topics: str, num_partitions: int, config: dict[str, str], complaint: str
) -> None:
    wanted = spec(2)
    client = AdminClient({"bootstrap.servers": kafka_topics})
    made = client.create_topics([NewTopic(wanted.name, num_partitions, 1, config=wanted.config | config)])
    made[wanted.name].result(10)
    admin.await_topics([wanted.name])
    (problem,) = admin.check_topics([wanted])
    assert complaint in problem.problem


def test_preflight_passes_for_an_agent_and_names_what_is_missing(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    admin.preflight([Topic.USER_ACTIVITY, Topic.USER_MISSES], group="solaris.user-refresh")
    missing = spec()
    monkeypatch.setitem(TOPICS, missing.name, missing)
    with pytest.raises(PreflightError, match=missing.name):
        admin.preflight([Topic.USER_ACTIVITY, missing.name])


def test_a_broker_that_is_away_is_an_error_within_the_timeout() -> None:
    with pytest.raises(AdminError, match=r"127\.0\.0\.1:1"):
        Admin(KafkaSettings(bootstrap="127.0.0.1:1"), timeout_s=1.0).check_topics()
