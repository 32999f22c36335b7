"""What the admin does while the coordinator of a group loads."""

from concurrent.futures import Future
from types import SimpleNamespace

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition

from runtime.settings import KafkaSettings
from streams.admin import Admin, AdminError, CoordinatorLoads

GROUP = "solaris.test"


class Coordinator:
    """Answers what it is asked for with these errors first, one a question."""

    def __init__(self, *errors: int) -> None:
        self.errors = list(errors)

    def answered(self, answer: object) -> "dict[str, Future[object]]":
        future: Future[object] = Future()
        if self.errors:
            future.set_exception(KafkaException(KafkaError(self.errors.pop(0))))
        else:
            future.set_result(answer)
        return {GROUP: future}

    def list_consumer_group_offsets(self, request: object, **_: float) -> "dict[str, Future[object]]":
        return self.answered(ConsumerGroupTopicPartitions(GROUP, [TopicPartition("t", 0, 7)]))

    def describe_consumer_groups(self, names: object, **_: float) -> "dict[str, Future[object]]":
        return self.answered(SimpleNamespace(state=SimpleNamespace(name="STABLE"), members=[1]))

    def poll(self, timeout_s: float) -> int:
        return 0


def admin_of(coordinator: Coordinator, timeout_s: float) -> Admin:
    admin = Admin(KafkaSettings(bootstrap="127.0.0.1:1"), timeout_s=timeout_s)
    admin.client = coordinator
    return admin


def test_a_coordinator_that_loads_is_asked_again() -> None:
    """A broker that has just started says so to the first that asks for a group."""
    loading = (KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.NOT_COORDINATOR)
    assert admin_of(Coordinator(*loading), 60).group_offsets([GROUP]) == {GROUP: {("t", 0): 7}}
    assert admin_of(Coordinator(*loading), 60).group_members([GROUP]) == {GROUP: ("STABLE", 1)}


def test_one_that_loads_for_ever_is_given_up() -> None:
    loading = Coordinator(*[KafkaError.COORDINATOR_LOAD_IN_PROGRESS] * 100)
    with pytest.raises(CoordinatorLoads, match=f"group {GROUP} at 127"):
        admin_of(loading, 0.3).group_offsets([GROUP])
    assert len(loading.errors) < 100


def test_another_error_is_told_at_once() -> None:
    other = Coordinator(KafkaError.INVALID_GROUP_ID)
    with pytest.raises(AdminError) as told:
        admin_of(other, 60).group_offsets([GROUP])
    assert not isinstance(told.value, CoordinatorLoads)
    assert other.errors == []
