"""An agent that is stopped at any moment, frozen, or left without its broker."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from cache.redis_store import RedisStore
from local.kafka import Kafka
from local.ports import free_port
from local.process import Child
from runtime.ids import UserId
from runtime.settings import KafkaSettings
from streams.admin import Admin
from streams.wire.producer import Producer
from streams.wire.topics import Topic
from tests.agents import Topics, click, new_user
from tests.integration.streams.agents.conftest import QUICK, Start
from tests.processes import AgentProcess
from tests.waiting import eventually, wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.timeout(400)]

MODULE = "streams.user_refresh"
GROUP = "solaris.user-refresh"  # nobody else may be in it here: what another has not committed yet is not ours


def test_told_to_stop_while_it_starts_it_ends_at_once(kafka_topics: str, start: Start) -> None:
    agent = start(MODULE, wait=False)
    wait_until(lambda: "Starting..." in agent.log.read_text(), 60)
    assert agent.child is not None
    agent.child.signal(signal.SIGTERM)
    assert agent.child.wait_exit(20), agent.log.read_text()


async def test_sigterm_finishes_the_batch_commits_and_exits_0(store: RedisStore, topics: Topics, start: Start) -> None:
    users = [new_user() for _ in range(300)]
    agent = start(MODULE)
    for user in users:
        topics.send(Topic.USER_ACTIVITY, user, click(user, "item-1"))
    topics.flush()

    async def first_is_known() -> bool:
        return bool((await store.read_histories(users[:1]))[0].payloads)

    await eventually(first_is_known, 60)
    assert agent.stop() == 0
    offsets = Admin(KafkaSettings(bootstrap=topics.bootstrap)).group_offsets([GROUP])[GROUP]
    committed = {partition: offset for (topic, partition), offset in offsets.items() if topic == Topic.USER_ACTIVITY}
    done = {user: bool(h.payloads) for user, h in zip(users, await store.read_histories(users), strict=True)}
    behind = [
        record
        for record in topics.since(Topic.USER_ACTIVITY, {p: committed.get(p, 0) for p in range(8)})
        if record.key and done.get(UserId(record.key.decode()))
    ]
    assert behind == []  # what is in the store is committed
    start(MODULE)

    async def all_known() -> bool:
        return all(history.payloads for history in await store.read_histories(users))

    await eventually(all_known, 60)  # and what is not is read again


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[tuple[Kafka, Child]]:
    """A broker that may be stopped, with its topics."""
    server = Kafka(tmp_path / "kafka", free_port(), free_port())
    server.folder.mkdir()
    server.prepare()
    with (tmp_path / "kafka.log").open("ab") as output:
        child = Child(server.command(), output=output)
    try:
        wait_until(server.is_ready, 60)
        Admin(KafkaSettings(bootstrap=server.bootstrap)).create_topics()
        yield server, child
    finally:
        child.kill()


async def test_through_a_frozen_broker_it_lives_and_its_watermark_stands_still(
    own_broker: tuple[Kafka, Child], store: RedisStore, redis_url: str, tmp_path: Path
) -> None:
    server, broker = own_broker
    agent = AgentProcess(MODULE, server.bootstrap, redis_url, tmp_path, dict(QUICK)).start()
    try:
        agent.wait_consuming()

        async def marks() -> dict[int, int]:
            return (await store.read_watermarks([Topic.USER_ACTIVITY]))[Topic.USER_ACTIVITY]

        async def are_all_there() -> bool:
            return len(await marks()) == 8

        await eventually(are_all_there, 60)
        os.kill(broker.pid, signal.SIGSTOP)
        age = 'solaris_agent_watermark_age_seconds{topic="reco.user.activity.v1"}'
        wait_until(lambda: agent.metric(age) > 4, 60)  # it is the idle agent that knows how old its knowledge is
        os.kill(broker.pid, signal.SIGCONT)
        wait_until(lambda: 0 < agent.metric(age) < 2, 60)
        user, producer = new_user(), Producer(KafkaSettings(bootstrap=server.bootstrap), source="test")
        Topics(server.bootstrap, producer).send(Topic.USER_ACTIVITY, user, click(user, "item-1"))
        producer.close()

        async def is_known() -> bool:
            return bool((await store.read_histories([user]))[0].payloads)

        await eventually(is_known, 60)
        assert agent.stop() == 0
    finally:
        agent.kill()


def test_a_port_that_is_set_and_taken_is_an_error(start: Start) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        agent = start(MODULE, wait=False, SOLARIS_AGENT_PORT=str(taken.getsockname()[1]))
        assert agent.child is not None
        assert agent.child.wait_exit(40)
    assert agent.child.status == 78
    assert "SOLARIS_AGENT_PORT=" in agent.log.read_text()
