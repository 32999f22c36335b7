"""The store goes away and comes back: the agent waits, keeps its place, and then every effect is in."""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from cache.redis_store import Profile, RedisStore
from cache.store import StoreUnavailable
from local.ports import free_port
from local.process import Child
from local.valkey import Valkey
from runtime.ids import UserId
from runtime.settings import RedisSettings
from streams.agent.exits import Exit
from streams.wire.topics import Topic
from tests.agents import Topics, click, make_live, new_user
from tests.integration.streams.agents.conftest import QUICK
from tests.processes import AgentProcess
from tests.waiting import eventually, wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.timeout(400)]

MODULE = "streams.user_refresh"


class DurableValkey:
    """A Valkey that can be frozen, killed and started again with its data."""

    def __init__(self, folder: Path) -> None:
        self.server = Valkey(folder, free_port(), durable=True)
        self.server.prepare()
        self.child: Child | None = None

    def start(self) -> None:
        self.child = Child(self.server.command(), output=subprocess.DEVNULL)
        wait_until(self.server.is_ready, 60)

    def kill(self) -> None:
        assert self.child is not None
        self.child.kill()

    def freeze(self) -> None:
        assert self.child is not None
        os.kill(self.child.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.child is not None
        os.kill(self.child.pid, signal.SIGCONT)


async def num_events(store: RedisStore, users: Sequence[UserId]) -> list[int]:
    """Events in each history; none while the store is away."""
    try:
        return [len(history.payloads) for history in await store.read_histories(users)]
    except StoreUnavailable:
        return []


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[DurableValkey]:
    server = DurableValkey(tmp_path / "valkey")
    server.start()
    yield server
    server.kill()


async def test_through_a_freeze_and_a_kill_of_the_store_no_effect_is_lost(
    valkey: DurableValkey, topics: Topics, tmp_path: Path
) -> None:
    store = RedisStore.connect(RedisSettings(url=valkey.server.url), Profile.AGENT)
    await make_live(store, tmp_path / "releases")
    users = [new_user() for _ in range(60)]
    agent = AgentProcess(MODULE, topics.bootstrap, valkey.server.url, tmp_path, dict(QUICK)).start()
    try:
        agent.wait_consuming()

        def send(part: int) -> None:
            for user in users[20 * part : 20 * (part + 1)]:
                for k in range(3):
                    topics.send(Topic.USER_ACTIVITY, user, click(user, f"item-{k}"))
            topics.flush()

        async def are_known(part: int) -> bool:
            return await num_events(store, users[20 * part : 20 * (part + 1)]) == [3] * 20

        send(0)
        await eventually(lambda: are_known(0), 60)

        valkey.freeze()
        send(1)
        wait_until(lambda: agent.metric('solaris_agent_paused{reason="timeout"}') == 1, 60)
        assert '"body": "paused: timeout"' in agent.get("/readyz")[1]
        assert agent.get("/livez")[0] == 200
        valkey.thaw()
        await eventually(lambda: are_known(1), 60)
        wait_until(lambda: agent.metric('solaris_agent_paused{reason="timeout"}') == 0, 60)

        valkey.kill()
        send(2)
        wait_until(lambda: agent.metric('solaris_agent_paused{reason="connection"}') == 1, 60)
        valkey.start()
        await eventually(lambda: are_known(2), 60)
        assert await are_known(0)
        assert agent.stop() == 0
    finally:
        agent.kill()
        await store.close()


async def test_told_to_stop_while_paused_it_ends_uncommitted_and_the_next_one_does_the_work(
    valkey: DurableValkey, topics: Topics, tmp_path: Path
) -> None:
    store = RedisStore.connect(RedisSettings(url=valkey.server.url), Profile.AGENT)
    await make_live(store, tmp_path / "releases")
    user = new_user()
    agent = AgentProcess(MODULE, topics.bootstrap, valkey.server.url, tmp_path, dict(QUICK)).start()
    try:
        agent.wait_consuming()
        valkey.kill()
        topics.send(Topic.USER_ACTIVITY, user, click(user, "item-1"))
        topics.flush()
        wait_until(lambda: agent.metric('solaris_agent_paused{reason="connection"}') == 1, 60)
        assert agent.stop() == Exit.UNFINISHED
        valkey.start()
        agent.start().wait_consuming()

        async def is_known() -> bool:
            return await num_events(store, [user]) == [1]

        await eventually(is_known, 60)
    finally:
        agent.kill()
        await store.close()


async def test_partitions_that_move_while_the_store_is_away_lose_nothing(
    valkey: DurableValkey, topics: Topics, tmp_path: Path
) -> None:
    store = RedisStore.connect(RedisSettings(url=valkey.server.url), Profile.AGENT)
    await make_live(store, tmp_path / "releases")
    users = [new_user() for _ in range(40)]
    first, second = (
        AgentProcess(MODULE, topics.bootstrap, valkey.server.url, tmp_path / name, dict(QUICK)) for name in "ab"
    )
    paused = 'solaris_agent_paused{reason="connection"}'
    try:
        first.start().wait_consuming()
        valkey.kill()
        for user in users[:20]:
            topics.send(Topic.USER_ACTIVITY, user, click(user, "item-1"))
        topics.flush()
        wait_until(lambda: first.metric(paused) == 1, 60)
        second.start().wait_consuming()
        for user in users[20:]:
            topics.send(Topic.USER_ACTIVITY, user, click(user, "item-1"))
        topics.flush()
        wait_until(lambda: second.metric(paused) == 1, 60)
        valkey.start()

        async def have(number: int) -> bool:
            return await num_events(store, users) == [number] * 40

        await eventually(lambda: have(1), 60)
        for agent in (first, second):
            wait_until(lambda agent=agent: agent.metric(paused) == 0, 60)  # type: ignore[misc]
            agent.wait_consuming()
        for user in users:
            topics.send(Topic.USER_ACTIVITY, user, click(user, "item-2"))
        topics.flush()
        await eventually(lambda: have(2), 60)
        assert [agent.stop(30) for agent in (first, second)] == [0, 0]
    finally:
        first.kill()
        second.kill()
        await store.close()
