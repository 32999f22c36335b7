"""Apache Kafka (KRaft, one node, broker and controller) from its jars, on loopback."""

import base64
import contextlib
import os
import re
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from local.jars import ensure_jars, locked_jars
from local.java import find_java
from local.ports import LOOPBACK, free_port
from local.server import ServerError, running
from local.service import ERROR_LINE

JARS = Path(__file__).parent.parent / "var" / "cache" / "kafka"
PROBE_TOPIC = "local.readiness.probe"
# On a restart the broker complains of the probe of its last life, which it forgets by itself.
SHOWN_LINE = re.compile(rf"^(?!.*{re.escape(PROBE_TOPIC)})(?:{ERROR_LINE.pattern})")
ANSWER_TIMEOUT_S = 2.0
PRODUCE_TIMEOUT_S = 5.0
CLEAN_STOP = 143  # Java's exit status after SIGTERM
FORMAT_TIMEOUT_S = 60

_LOG4J = Path(__file__).parent / "kafka" / "log4j2.properties"
_SETTINGS = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
controller.quorum.voters=1@{host}:{controller_port}
log.dirs={log_folder}
num.partitions=4
default.replication.factor=1
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
# How long everything stalls after a kill; a killed node cannot rejoin before it (default 9000).
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
log.cleaner.dedupe.buffer.size=2097152
log.index.size.max.bytes=1048576
log.segment.bytes=67108864
num.network.threads=2
num.io.threads=2
"""


@dataclass(frozen=True, slots=True)
class Kafka:
    """One broker whose data live in `folder` and survive it."""

    folder: Path
    port: int
    controller_port: int
    jars: Path = JARS

    @property
    def name(self) -> str:
        return "kafka"

    @property
    def bootstrap(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    def prepare(self) -> None:
        """Fetch and verify the jars, write the settings, format the data folder once.

        Raises JarError or JavaError.
        """
        ensure_jars(self.jars, locked_jars())
        self._log_folder.mkdir(parents=True, exist_ok=True)
        self._settings_file.write_text(self.settings())
        if (self._log_folder / "meta.properties").exists():
            return
        cluster_id = base64.urlsafe_b64encode(b"\0" + uuid.uuid4().bytes[1:]).decode().rstrip("=")  # never begins "-"
        tool = [*self._java(), "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(self._settings_file)]
        tool += self.format_options()
        answer = subprocess.run(tool, capture_output=True, text=True, timeout=FORMAT_TIMEOUT_S, check=False)
        if answer.returncode != 0:
            raise ServerError(f"Kafka could not format {self._log_folder}:\n{answer.stdout}{answer.stderr}")

    def command(self) -> list[str]:
        """Call `prepare` before."""
        return [*self._java(), "kafka.Kafka", str(self._settings_file)]

    def settings(self) -> str:
        """The text of server.properties."""
        return _SETTINGS.format(
            host=LOOPBACK,
            port=self.port,
            controller_port=self.controller_port,
            log_folder=self._log_folder.resolve(),
        )

    def format_options(self) -> list[str]:
        """What the data folder is formatted with beyond the settings."""
        return []

    def client_config(self) -> dict[str, str]:
        """How a client of ours connects, in librdkafka's names."""
        return {"bootstrap.servers": self.bootstrap}

    def is_ready(self) -> bool:
        """Whether it lists its topics and takes a record; an open port alone means nothing."""
        config: dict[str, object] = {**self.client_config(), "log_level": 0, "error_cb": lambda error: None}
        admin = AdminClient(config)
        try:
            admin.list_topics(timeout=ANSWER_TIMEOUT_S)
            with contextlib.suppress(KafkaException):  # left over from a start that was killed
                admin.create_topics([NewTopic(PROBE_TOPIC, 1, 1)])[PROBE_TOPIC].result(PRODUCE_TIMEOUT_S)
            taken = _takes_a_record(config)
            admin.delete_topics([PROBE_TOPIC])[PROBE_TOPIC].result(PRODUCE_TIMEOUT_S)
        except KafkaException:
            return False
        return taken

    @property
    def _settings_file(self) -> Path:
        return self.folder / "server.properties"

    @property
    def _log_folder(self) -> Path:
        return self.folder / "log"

    def _java(self) -> list[str]:
        class_path = [jar.path_in(self.jars).resolve() for jar in locked_jars()]
        return [
            str(find_java()),
            *("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"),
            *("-Djava.awt.headless=true", f"-Dlog4j2.configurationFile={_LOG4J.resolve()}"),
            *("-cp", os.pathsep.join(str(jar) for jar in class_path)),
        ]


def _takes_a_record(config: dict[str, object]) -> bool:
    errors: list[object] = []
    producer = Producer({**config, "message.timeout.ms": int(PRODUCE_TIMEOUT_S * 1000)})
    producer.produce(PROBE_TOPIC, b"ready?", on_delivery=lambda error, _: errors.append(error))
    producer.flush(PRODUCE_TIMEOUT_S + 1)
    return errors == [None]


@contextmanager
def running_kafka(folder: Path, jars: Path = JARS) -> Iterator[Kafka]:
    """A broker on free ports with its data in `folder`, for tests."""
    folder.mkdir(parents=True, exist_ok=True)
    with running(lambda: Kafka(folder, free_port(), free_port(), jars), folder / "kafka.log") as server:
        yield server
