"""Kafka with all topics and Valkey, on free ports in temporary folders; gone at the end."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka.admin import AdminClient, NewTopic

from cache.redis_store import Profile, RedisStore
from local.kafka import running_kafka
from local.valkey import running_valkey
from runtime.settings import KafkaSettings, RedisSettings
from streams.wire.topics import TOPICS

CREATE_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class Servers:
    """Where they listen, and a folder for whatever else a benchmark writes."""

    folder: Path
    kafka: KafkaSettings
    redis: RedisSettings

    @property
    def env(self) -> dict[str, str]:
        """What a process of ours needs to find them."""
        return {"SOLARIS_KAFKA_BOOTSTRAP": self.kafka.bootstrap, "SOLARIS_REDIS_URL": self.redis.url}

    def store(self) -> RedisStore:
        """A store of the running event loop."""
        return RedisStore.connect(self.redis, Profile.AGENT)


@contextmanager
def running_servers() -> Iterator[Servers]:
    """Start both, create the topics."""
    with tempfile.TemporaryDirectory(prefix="solaris-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with running_valkey(folder / "valkey") as valkey, running_kafka(folder / "kafka") as kafka:
            create_topics(kafka.bootstrap)
            yield Servers(folder, KafkaSettings(bootstrap=kafka.bootstrap), RedisSettings(url=valkey.url))


def create_topics(bootstrap: str) -> None:
    """All topics of the table."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    new = [NewTopic(spec.name, spec.num_partitions, 1, config=spec.config) for spec in TOPICS.values()]
    for created in admin.create_topics(new).values():
        created.result(CREATE_TIMEOUT_S)


def forget_group(bootstrap: str, group: str) -> None:
    """Delete a consumer group that has no members, with its offsets: the next member begins at the oldest record."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for deleted in admin.delete_consumer_groups([group]).values():
        deleted.result(CREATE_TIMEOUT_S)
