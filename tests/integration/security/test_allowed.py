"""With the documented variables and rights everything works, from the click to the ranked slate."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from aiokafka import AIOKafkaConsumer

from cache.redis_store import Profile, RedisStore
from inference.client import RankClient
from local.ports import LOOPBACK
from local.valkey import running_cluster
from runtime.settings import RedisSettings, kafka_settings
from streams.admin import Admin
from streams.agent.credentials import credentials
from streams.lag.reader import LagReader
from streams.lag.snapshot import Place
from streams.wire.producer import Producer
from streams.wire.reader import Reader
from streams.wire.topics import Topic
from tests.agents import click, new_user
from tests.integration.inference.ranker import rank_request
from tests.integration.security.certificates import Authority
from tests.integration.security.conftest import Secured
from tests.integration.security.servers import APP, PASSWORDS, REDIS_PASSWORD, REDIS_USER, documented_rights
from tests.processes import PATIENT, ROOT, AgentProcess, RankerProcess
from tests.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.timeout(600)]  # five commands, and torch in each
COMMAND_TIMEOUT_S = 180


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("secured")


@pytest.fixture(scope="module")
def agent(secured: Secured, folder: Path) -> Iterator[AgentProcess]:
    kafka, redis = secured.kafka.bootstrap, secured.redis.url()
    agent = AgentProcess("streams.user_refresh", kafka, redis, folder, secured.variables).start()
    yield agent.wait_consuming()
    assert agent.stop() == 0


@pytest.fixture(scope="module")
def ranker(secured: Secured, folder: Path) -> Iterator[RankerProcess]:
    variables = secured.variables | PATIENT
    ranker = RankerProcess(secured.kafka.bootstrap, secured.redis.url(), folder, variables).start()
    yield ranker.wait_ready()
    assert ranker.stop() == 0


async def test_a_click_reaches_the_history_and_the_ranked_slate(
    secured: Secured, agent: AgentProcess, ranker: RankerProcess, store: RedisStore, folder: Path
) -> None:
    user = new_user()
    sent = click(user, "item-1")
    producer = Producer(secured.kafka_settings(), source="test")
    producer.send(Topic.USER_ACTIVITY, user, sent)
    assert producer.close(30) == 0

    async def stored() -> bool:
        return bool((await store.read_histories([user]))[0].payloads)

    await eventually(stored, 30)
    async with RankClient(ranker.url) as client:
        answer = await client.rank(rank_request(user, deadline_ms=30_000))
    assert answer.user.as_of_ms == sent.event_time_ms
    assert len(answer.items) == 5

    group = "solaris.user-refresh"
    reader = LagReader(secured.kafka_settings())
    ends = {place: state.end for place, state in reader.read().partitions.items() if place.topic == Topic.USER_ACTIVITY}
    read = next(place for place, end in ends.items() if end)

    def committed() -> bool:
        return reader.read().groups[group].committed.get(Place(Topic.USER_ACTIVITY, read.partition)) == ends[read]

    await eventually(committed, 30)
    with Reader(secured.kafka_settings(), Topic.USER_ACTIVITY) as tail:
        assert [record.key for record in tail.read()] == [user.encode()]

    await eventually(lambda: _num_records(secured, Topic.SLATES_SERVED) > 0, 30)
    assert not [log for log in (agent.log, folder / "ranker.log") if has_a_password(log.read_text())]


def test_commands_work_as_documented(secured: Secured) -> None:
    for words in (
        ("streams", "topics", "--check"),
        ("streams", "produce", "item", "--item", "new-1", "--feature", "category=3"),
        ("streams", "tail", Topic.ITEM_UPDATES, "--from-beginning", "--limit", "1"),
        ("streams", "rebuild"),
        ("inference", "release", "list"),
    ):
        done = run_command(words, secured.variables)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        assert not has_a_password(done.stdout + done.stderr)


async def test_a_client_certificate_takes_the_place_of_the_password(secured: Secured, authority: Authority) -> None:
    identity = authority.issue(APP)
    settings = kafka_settings(
        {
            "SOLARIS_KAFKA_BOOTSTRAP": f"{LOOPBACK}:{secured.kafka.mtls_port}",
            "SOLARIS_KAFKA_SECURITY_PROTOCOL": "SSL",
            "SOLARIS_KAFKA_SSL_CA_LOCATION": str(authority.certificate),
            "SOLARIS_KAFKA_SSL_CERTIFICATE_LOCATION": str(identity.certificate),
            "SOLARIS_KAFKA_SSL_KEY_LOCATION": str(identity.key),
        }
    )
    Admin(settings).preflight([Topic.USER_ACTIVITY], "solaris.user-refresh")
    # What Faust makes of the credentials: aiokafka's client, with our context.
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap, security_protocol="SSL", ssl_context=credentials(settings).context
    )
    await consumer.start()
    try:
        assert Topic.USER_ACTIVITY in await consumer.topics()
    finally:
        await consumer.stop()


async def test_a_cluster_asks_for_one_right_more(tmp_path: Path) -> None:
    with running_cluster(tmp_path) as nodes:
        rights = [*documented_rights().replace(">PASSWORD", f">{REDIS_PASSWORD}").split()[1:], "+cluster|slots"]
        for node in nodes:
            with redis.Redis.from_url(f"redis://{node}/0") as admin:
                admin.execute_command("ACL", "SETUSER", *rights)
        settings = RedisSettings(url=f"redis://{REDIS_USER}:{REDIS_PASSWORD}@{nodes[0]}/0", cluster=True)
        store = RedisStore.connect(settings, Profile.AGENT)
        await store.set_epochs("test")
        assert await store.missing_epochs() == []
        await store.close()


def _num_records(secured: Secured, topic: str) -> int:
    with Reader(secured.kafka_settings(), topic) as reader:
        return sum(high for _, high in reader.watermarks().values())


def has_a_password(text: str) -> bool:
    return any(password in text for password in PASSWORDS)


def run_command(words: tuple[str, ...], variables: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """One of our commands with only these settings."""
    command = [sys.executable, "-m", *words]
    env = os.environ | variables
    return subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, check=False
    )
