"""Topics on the broker: create what the table names, and say what is wrong with what is there.

An agent started before its topics exist, or without rights, is idle for ever and looks healthy: so `preflight` first.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ClusterMetadata, ConfigResource, NewTopic, ResourceType

from runtime.settings import KafkaSettings
from streams.wire.connection import ConnectionErrors, ask, lacks_right
from streams.wire.topics import MAX_RECORD_BYTES, TOPICS, TopicSpec

T = TypeVar("T")

GRACE_S = 1.0  # librdkafka gives up by itself first, and says why

# What the coordinator of a group says on a broker that has just started, or while it moves to another one.
_COORDINATOR_LOADS = frozenset(
    {KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.NOT_COORDINATOR}
)
_AGAIN_S = 0.1

# Retention is left out: it is the operator's to change.
CHECKED_CONFIG = ("message.timestamp.type", "cleanup.policy")


class AdminError(Exception):
    """The broker did not answer, or refused."""


class AccessRefused(AdminError):
    """The broker does not let us in (password, certificate), or a right is missing."""


class CoordinatorLoads(AdminError):
    """Nobody can say yet what is known of a group; it passes by itself."""


class PreflightError(AdminError):
    """A process must not start: topics are missing or wrong, or rights are."""


@dataclass(frozen=True, slots=True)
class TopicProblem:
    """One thing wrong with one topic, and what to do."""

    topic: str
    problem: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.problem}"


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as it is on the broker."""

    name: str
    num_partitions: int
    config: Mapping[str, str]


class Admin:
    """One AdminClient, reused; every call has a timeout and raises AdminError."""

    def __init__(self, settings: KafkaSettings, *, timeout_s: float = 15.0) -> None:
        self._bootstrap = settings.bootstrap
        self._timeout_s = timeout_s
        self._errors = ConnectionErrors()
        self.client = AdminClient({**settings.librdkafka(), "log_level": 2, "error_cb": self._errors.note})

    def create_topics(self, specs: Iterable[TopicSpec] = TOPICS.values(), *, replication_factor: int = -1) -> list[str]:
        """Create the missing ones and return their names; existing ones stay as they are.

        `replication_factor` -1 is the broker's default.
        """
        existing = self._topic_partitions()
        wanted = [spec for spec in specs if spec.name not in existing]
        if not wanted:
            return []
        futures = self.client.create_topics(
            [
                NewTopic(
                    s.name, num_partitions=s.num_partitions, replication_factor=replication_factor, config=s.config
                )
                for s in wanted
            ],
            operation_timeout=self._timeout_s,
            request_timeout=self._timeout_s,
        )
        created = []
        for name, future in futures.items():
            try:
                future.result(self._timeout_s + GRACE_S)
                created.append(name)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # somebody was faster
                    raise self._failure(f"creating {name}", error) from None
        self.await_topics([spec.name for spec in wanted])  # creation is acknowledged before every broker knows it
        return created

    def topic_states(self, names: Iterable[str]) -> dict[str, TopicState]:
        """Those of `names` that exist (and may be described), with partitions and settings."""
        partitions = self._topic_partitions()
        present = [str(name) for name in names if name in partitions]  # librdkafka refuses a StrEnum
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in present]
        futures = self.client.describe_configs(resources, request_timeout=self._timeout_s) if resources else {}
        states = {}
        for resource, future in futures.items():
            entries = self._result(f"reading the settings of {resource.name}", future)
            config = {name: entry.value for name, entry in entries.items()}
            states[resource.name] = TopicState(resource.name, partitions[resource.name], config)
        return states

    def await_topics(self, names: Iterable[str]) -> dict[str, TopicState]:
        """As `topic_states`, after waiting until each of `names` has its partitions in the broker's metadata."""
        names = list(names)
        deadline = time.monotonic() + self._timeout_s
        while True:
            states = self.topic_states(names)
            if len(states) == len(names) or time.monotonic() > deadline:
                return states
            time.sleep(_AGAIN_S)

    def check_topics(self, specs: Iterable[TopicSpec] = TOPICS.values()) -> list[TopicProblem]:
        """Everything that is wrong; empty when all is well."""
        specs = list(specs)
        states = self.topic_states([spec.name for spec in specs])
        return [problem for spec in specs for problem in compare_topic(spec, states.get(spec.name))]

    def preflight(self, topics: Iterable[str], group: str | None = None) -> None:
        """Raise PreflightError unless every topic is there and right, and the group's offsets may be read."""
        problems = [str(problem) for problem in self.check_topics([TOPICS[name] for name in topics])]
        if group is not None:
            try:
                self.group_offsets([group])
            except AdminError as error:
                problems.append(str(error))
        if problems:
            raise PreflightError("; ".join(problems))

    def group_offsets(self, groups: Iterable[str]) -> dict[str, dict[tuple[str, int], int]]:
        """Committed offset per (topic, partition) of each group; partitions never committed are absent."""
        names = list(groups)
        return self._once_loaded(lambda: self._group_offsets(names))

    def group_names(self) -> list[str]:
        """All groups on the broker that this user may see."""
        listed = self._result("listing groups", self.client.list_consumer_groups(request_timeout=self._timeout_s))
        return sorted(group.group_id for group in listed.valid)

    def group_members(self, groups: Iterable[str]) -> dict[str, tuple[str, int]]:
        """State (STABLE, EMPTY, ...) and number of members of each group; DEAD and 0 for one that does not exist."""
        names = list(groups)
        if not names:
            return {}
        return self._once_loaded(lambda: self._group_members(names))

    def metadata(self) -> ClusterMetadata:
        """Brokers, topics and partitions."""
        try:
            return ask(lambda s: self.client.list_topics(timeout=s), self._errors, self._serve, self._timeout_s)
        except KafkaException as error:
            raise self._failure("listing topics", error) from None

    def _group_offsets(self, names: Sequence[str]) -> dict[str, dict[tuple[str, int], int]]:
        futures: dict[str, Future[ConsumerGroupTopicPartitions]] = {}
        for group in names:  # one group a call: issue all, then gather
            request = [ConsumerGroupTopicPartitions(group)]
            futures |= self.client.list_consumer_group_offsets(request, request_timeout=self._timeout_s)
        return {
            group: {
                (tp.topic, tp.partition): tp.offset
                for tp in self._result(f"reading the offsets of group {group}", future).topic_partitions or ()
                if tp.offset >= 0
            }
            for group, future in futures.items()
        }

    def _group_members(self, names: Sequence[str]) -> dict[str, tuple[str, int]]:
        futures = self.client.describe_consumer_groups(list(names), request_timeout=self._timeout_s)
        described = {name: self._result(f"describing group {name}", future) for name, future in futures.items()}
        return {name: (group.state.name, len(group.members)) for name, group in described.items()}

    def _topic_partitions(self) -> dict[str, int]:
        topics = self.metadata().topics
        return {name: len(topic.partitions) for name, topic in topics.items() if topic.error is None}

    def _result(self, what: str, future: Future[T]) -> T:
        try:
            return future.result(self._timeout_s + GRACE_S)
        except KafkaException as error:
            raise self._failure(what, error) from None
        except TimeoutError:
            raise AdminError(f"{what}: no answer from {self._bootstrap} in {self._timeout_s:.0f} s") from None

    def _failure(self, what: str, error: KafkaException) -> AdminError:
        # A refused password shows only in the error callback; the call itself says "transport failure".
        self._serve()
        cause = self._errors.cause or error.args[0].str()
        kind: type[AdminError] = CoordinatorLoads if error.args[0].code() in _COORDINATOR_LOADS else AdminError
        if self._errors.refused or lacks_right(error.args[0]):
            kind = AccessRefused
        return kind(f"{what} at {self._bootstrap}: {cause}")

    def _once_loaded(self, question: Callable[[], T]) -> T:
        """What `question` returns, put again while it raises CoordinatorLoads, for as long as the timeout."""
        deadline = time.monotonic() + self._timeout_s
        while True:
            try:
                return question()
            except CoordinatorLoads:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_AGAIN_S)

    def _serve(self) -> None:
        self.client.poll(0)


def compare_topic(spec: TopicSpec, state: TopicState | None) -> list[TopicProblem]:
    """What differs between the table and the broker, with what to do about it."""
    if state is None:
        return [
            TopicProblem(spec.name, "missing, or hidden from this user; `python -m streams topics --create` makes it")
        ]
    problems = []
    if state.num_partitions != spec.num_partitions:
        problems.append(
            f"has {state.num_partitions} partitions, not {spec.num_partitions}; keys would move and revisions with "
            "them: delete and recreate it, or replay into a new topic and rebuild"
        )
    for name in CHECKED_CONFIG:
        wanted, actual = spec.config[name], state.config.get(name)
        if actual != wanted:
            problems.append(f"has {name}={actual}, not {wanted}; set it with kafka-configs or recreate the topic")
    largest = int(state.config.get("max.message.bytes", MAX_RECORD_BYTES))
    if largest < MAX_RECORD_BYTES:
        problems.append(f"has max.message.bytes={largest}; {MAX_RECORD_BYTES} are needed for the largest slates")
    return [TopicProblem(spec.name, problem) for problem in problems]
