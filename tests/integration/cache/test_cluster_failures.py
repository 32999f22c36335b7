"""A cluster that loses a node, and gets it back."""

import os
import signal
from collections.abc import AsyncIterator, Iterator

import pytest
import redis

from cache.redis_store import RedisStore
from cache.store import StoreUnavailable, UserRowWrite
from local.valkey import running_cluster
from runtime.ids import UserId
from runtime.settings import RedisSettings
from tests.integration.cache.rows import LIVE, MINUTE_MS, user_row
from tests.waiting import eventually

pytestmark = pytest.mark.cluster
USERS = [UserId(f"user-{number}") for number in range(60)]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """A cluster that the tests may hurt, if they leave it as they found it."""
    with running_cluster(tmp_path_factory.mktemp("cluster")) as nodes:
        for node in nodes:
            with redis.Redis.from_url(f"redis://{node}") as client:
                client.config_set("shutdown-timeout", 0)  # a node that lost its slots becomes a replica to wait for
        yield nodes


@pytest.fixture
async def store(nodes: list[str]) -> AsyncIterator[RedisStore]:
    """A store with a short timeout, which holds a row of every user."""
    store = RedisStore.connect(RedisSettings(url=f"redis://{nodes[0]}", cluster=True, request_timeout_ms=200))
    try:
        await wait_until_all_are_stored(store, rev=1)
        yield store
    finally:
        await store.close()


async def wait_until_all_are_stored(store: RedisStore, rev: int) -> None:
    """The nodes take seconds to agree with each other after a test."""
    writes = [UserRowWrite(user, {LIVE: user_row(rev)}) for user in USERS]

    async def stored() -> bool:
        try:
            return await store.write_user_rows(writes, [LIVE], MINUTE_MS) == len(USERS)
        except StoreUnavailable:
            return False

    await eventually(stored, timeout_s=60)


async def served(store: RedisStore) -> set[UserId]:
    """The users whose rows can be read."""
    found, reasons = set(), set()
    for user in USERS:
        try:
            if (await store.read_user_rows(LIVE, [user])) != [None]:
                found.add(user)
        except StoreUnavailable as error:
            reasons.add(error.reason)
    assert reasons <= {"connection", "timeout", "clusterdown"}
    return found


async def wait_until_all_are_served(store: RedisStore) -> None:
    """The nodes take seconds to agree with each other again; nobody restarts the store for it."""

    async def all_served() -> bool:
        return await served(store) == set(USERS)

    await eventually(all_served, timeout_s=60)


async def test_other_slots_are_served_while_a_node_is_frozen_and_all_afterwards(
    nodes: list[str], store: RedisStore
) -> None:
    with redis.Redis.from_url(f"redis://{nodes[1]}") as client:
        pid = client.info("server")["process_id"]
    os.kill(pid, signal.SIGSTOP)
    try:
        during = await served(store)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert 0 < len(during) < len(USERS)
    await wait_until_all_are_served(store)


async def test_slots_that_moved_are_found(nodes: list[str], store: RedisStore) -> None:
    with redis.Redis.from_url(f"redis://{nodes[0]}", protocol=2) as source:
        with redis.Redis.from_url(f"redis://{nodes[2]}", protocol=2) as target:
            target_id = target.execute_command("CLUSTER", "MYID")
        source.execute_command("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", 0, 5460, "NODE", target_id)
        await eventually(
            lambda: b"success" in repr(source.execute_command("CLUSTER", "GETSLOTMIGRATIONS")).encode(), 60
        )
    await wait_until_all_are_served(store)
    await wait_until_all_are_stored(store, rev=2)
