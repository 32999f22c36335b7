"""`python -m local up` with a real Kafka and a real Valkey in a folder of its own."""

import json
import os
import signal
import socket
from collections.abc import Mapping
from pathlib import Path

import pytest
import redis
from confluent_kafka.admin import AdminClient, NewTopic

from local.kafka import JARS
from local.ports import free_port
from streams.wire.topics import TOPICS
from tests.integration.local.marked import Marked, marked
from tests.waiting import wait_until

UP = ["-m", "local", "up", "--base"]
START_TIMEOUT_S = 150.0  # Kafka, the topics, a rebuild that imports torch
END_S = 90.0  # the guard kills after 60

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.timeout(900)]


@pytest.fixture
def env(tmp_path: Path, kafka_bootstrap: str) -> dict[str, str]:
    """A folder of its own on free ports; the broker of the session has fetched the jars."""
    return {
        "SOLARIS_LOCAL_FOLDER": str(tmp_path / "var"),
        "SOLARIS_LOCAL_KAFKA_PORT": str(free_port()),
        "SOLARIS_LOCAL_REDIS_PORT": str(free_port()),
    }


def _addresses(env: Mapping[str, str]) -> dict[str, str]:
    file = Path(env["SOLARIS_LOCAL_FOLDER"]) / "addresses.json"
    return json.loads(file.read_text()) if file.exists() else {}


def _wait_running(stack: Marked) -> None:
    def running() -> bool:
        assert stack.process.poll() is None, stack.output()
        return "running; Ctrl-C" in stack.output()

    wait_until(running, START_TIMEOUT_S)


@pytest.mark.slow
def test_data_survive_from_one_run_to_the_next_and_addresses_do_not(tmp_path: Path, env: dict[str, str]) -> None:
    with marked(UP, tmp_path / "log", env) as stack:
        _wait_running(stack)
        addresses = _addresses(env)
        assert addresses["kafka"] == f"127.0.0.1:{env['SOLARIS_LOCAL_KAFKA_PORT']}"
        admin = AdminClient({"bootstrap.servers": addresses["kafka"]})
        assert set(TOPICS) <= set(admin.list_topics(timeout=10).topics)
        admin.create_topics([NewTopic("made.by.the.test", 1, 1)])["made.by.the.test"].result(10)
        with redis.Redis.from_url(addresses["redis"]) as client:
            client.set("kept", "here")
        stack.process.send_signal(signal.SIGINT)
        assert stack.process.wait(END_S) == 0, stack.output()
        assert stack.alive() == []
    assert not (Path(env["SOLARIS_LOCAL_FOLDER"]) / "addresses.json").exists()
    with marked(UP, tmp_path / "log", env) as stack:
        _wait_running(stack)
        admin = AdminClient({"bootstrap.servers": addresses["kafka"]})
        assert "made.by.the.test" in admin.list_topics(timeout=10).topics
        with redis.Redis.from_url(addresses["redis"]) as client:
            assert client.get("kept") == b"here"
        stack.process.kill()
        wait_until(lambda: not stack.alive(), END_S)
    with marked([*UP, "--once"], tmp_path / "log", env) as stack:  # after a kill it starts as ever
        assert stack.process.wait(START_TIMEOUT_S) == 0, stack.output()
        assert stack.alive() == []


@pytest.mark.slow
def test_a_killed_broker_and_redis_come_back_with_their_data(tmp_path: Path, env: dict[str, str]) -> None:
    with marked(UP, tmp_path / "log", env) as stack:
        _wait_running(stack)
        addresses = _addresses(env)
        for pid in stack.alive():
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            if b"kafka.Kafka" in command or b"valkey-server" in command:
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: "kafka: ready again" in stack.output(), START_TIMEOUT_S)
        wait_until(lambda: "redis: ready again" in stack.output(), START_TIMEOUT_S)
        assert set(TOPICS) <= set(AdminClient({"bootstrap.servers": addresses["kafka"]}).list_topics(timeout=10).topics)
        stack.process.terminate()
        assert stack.process.wait(END_S) == 0, stack.output()
        assert stack.alive() == []


def test_a_taken_port_is_said_and_another_one_used(
    tmp_path: Path, env: dict[str, str], kafka_bootstrap: str, valkey_url: str
) -> None:
    own_kafka = {**env, "SOLARIS_KAFKA_BOOTSTRAP": kafka_bootstrap}  # leaves only Redis to start
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(env["SOLARIS_LOCAL_REDIS_PORT"])))
        taken.listen()
        with marked(UP, tmp_path / "log", own_kafka) as stack:
            _wait_running(stack)
            assert f"redis: port {env['SOLARIS_LOCAL_REDIS_PORT']} is taken, using " in stack.output()
            assert f"kafka: your own at {kafka_bootstrap}" in stack.output()
            with redis.Redis.from_url(_addresses(env)["redis"]) as client:
                assert client.ping()
            assert _addresses(env)["kafka"] == kafka_bootstrap


def test_a_second_stack_in_the_same_folder_is_refused(
    tmp_path: Path, env: dict[str, str], kafka_bootstrap: str, valkey_url: str
) -> None:
    own = {**env, "SOLARIS_KAFKA_BOOTSTRAP": kafka_bootstrap, "SOLARIS_REDIS_URL": valkey_url}
    with marked(UP, tmp_path / "first", own) as first:
        _wait_running(first)
        with marked(UP, tmp_path / "second", own) as second:
            assert second.process.wait(END_S) == 1
            assert "another stack is running" in second.output()
        assert _addresses(env)["kafka"] == kafka_bootstrap  # the second has not touched what the first wrote


def test_a_falsified_jar_is_refused_by_name_and_nothing_starts(tmp_path: Path, env: dict[str, str]) -> None:
    jars = tmp_path / "jars"
    jars.mkdir()
    for jar in JARS.glob("*.jar"):
        (jars / jar.name).symlink_to(jar)
    victim = next(jars.glob("kafka-clients-*.jar"))
    content = victim.read_bytes()
    victim.unlink()
    victim.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with marked(UP, tmp_path / "log", {**env, "SOLARIS_LOCAL_JARS": str(jars)}) as stack:
        assert stack.process.wait(END_S) == 1
        assert f"{victim.name} is not the locked file" in stack.output()
        assert stack.alive() == []


def test_a_server_of_the_fixtures_dies_with_a_killed_test_run(tmp_path: Path) -> None:
    words = ["-m", "tests.integration.local.fixture_user", str(tmp_path / "valkey")]
    with marked(words, tmp_path / "log") as user:
        wait_until(lambda: "ready redis://" in user.output(), END_S)
        assert len(user.alive()) == 2
        user.process.kill()
        wait_until(lambda: not user.alive(), END_S)


def test_a_mistyped_setting_is_named(tmp_path: Path, env: dict[str, str]) -> None:
    with marked(UP, tmp_path / "log", {**env, "SOLARIS_LOCAL_KAFKA_PROT": "1"}) as stack:
        assert stack.process.wait(END_S) == 1
        assert "SOLARIS_LOCAL_KAFKA_PROT is not a setting" in stack.output()
