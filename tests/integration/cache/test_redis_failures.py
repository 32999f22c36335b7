"""What every call does when Redis is gone, frozen, full, read-only, restarted or holds the wrong type."""

import asyncio
import inspect
import os
import signal
from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from cache.memory import MemoryStore
from cache.redis_store import Profile, RedisStore
from cache.row import RowKind
from cache.store import Store, StoreRefused, StoreUnavailable, UserRowWrite
from local.ports import free_port
from local.valkey import running_valkey
from runtime.ids import UserId
from runtime.settings import RedisSettings
from tests.integration.cache import calls
from tests.integration.cache.conftest import PATIENCE_MS
from tests.integration.cache.rows import ALICE, LIVE, MINUTE_MS, items, user_row, value_of

pytestmark = pytest.mark.redis


@pytest.fixture(scope="module")
def own_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that the tests of this file may hurt."""
    with running_valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server.url


@pytest.fixture
async def admin(own_url: str) -> AsyncIterator[Redis]:
    """A client of that server to hurt it with; afterwards the server is well and empty."""
    async with Redis.from_url(own_url, protocol=2) as client:
        yield client
        await client.replicaof("NO", "ONE")
        await client.config_set("maxmemory", "0")
        await client.flushall()
        await client.script_flush()


@pytest.fixture
async def own_store(own_url: str) -> AsyncIterator[RedisStore]:
    """A store of an agent on that server."""
    store = RedisStore.connect(RedisSettings(url=own_url, agent_timeout_ms=PATIENCE_MS), Profile.AGENT)
    yield store
    await store.close()


def test_examples_name_every_call_of_the_store() -> None:
    public = {name for name, _ in inspect.getmembers(Store, inspect.isfunction) if not name.startswith("_")}
    assert set(calls.ALL) == public - {"close"}


@pytest.mark.parametrize("name", calls.ALL)
async def test_memory_made_unavailable_raises_from_every_call(name: str) -> None:
    store = MemoryStore()
    store.unavailable = "timeout"
    with pytest.raises(StoreUnavailable) as raised:
        await calls.ALL[name](store)
    assert raised.value.reason == "timeout"


@pytest.mark.parametrize("cluster", [False, True], ids=["node", "cluster"])
@pytest.mark.parametrize("name", calls.ALL)
async def test_every_call_says_so_at_once_when_redis_is_gone(name: str, cluster: bool) -> None:
    url = f"redis://127.0.0.1:{free_port()}"
    store = RedisStore.connect(RedisSettings(url=url, cluster=cluster, agent_timeout_ms=PATIENCE_MS), Profile.AGENT)
    with pytest.raises(StoreUnavailable) as raised:
        await calls.ALL[name](store)
    assert raised.value.reason == "connection"  # a call that waited would end with "timeout"
    await store.close()


async def test_frozen_redis_times_out_and_the_next_call_after_it_works(own_url: str, admin: Redis) -> None:
    """All of them with the time of one: in turns on the four connections they would take fifty times as long."""
    store = RedisStore.connect(RedisSettings(url=own_url, request_timeout_ms=1_000, max_connections=4))
    await store.ping()
    pid = (await admin.info("server"))["process_id"]
    os.kill(pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(30):
            results = await asyncio.gather(
                *(store.hydrate(LIVE, ALICE, items("a")) for _ in range(200)), return_exceptions=True
            )
    finally:
        os.kill(pid, signal.SIGCONT)
    assert {type(result) for result in results} == {StoreUnavailable}
    assert {result.reason for result in results if isinstance(result, StoreUnavailable)} <= {"timeout", "connection"}
    await store.ping()
    await store.close()


async def test_many_calls_share_few_connections(valkey_url: str, valkey: Redis) -> None:
    store = RedisStore.connect(
        RedisSettings(url=valkey_url, max_connections=2, agent_timeout_ms=PATIENCE_MS), Profile.AGENT
    )
    await asyncio.gather(*(store.hydrate(LIVE, ALICE, items("a", "b")) for _ in range(200)))
    await store.close()


async def test_cancelled_calls_never_leave_answers_for_others(valkey_url: str, valkey: Redis) -> None:
    store = RedisStore.connect(
        RedisSettings(url=valkey_url, max_connections=2, agent_timeout_ms=PATIENCE_MS), Profile.AGENT
    )
    users = [UserId(f"user-{number}") for number in range(50)]
    writes = [UserRowWrite(user, {LIVE: user_row(1, float(number))}) for number, user in enumerate(users)]
    await store.write_user_rows(writes, [LIVE], MINUTE_MS)

    async def read(number: int) -> None:
        found = await store.hydrate(LIVE, users[number], items(*"abcdefgh"))
        assert value_of(found.user_row, RowKind.USER) == number

    for _ in range(10):
        tasks = [asyncio.create_task(read(number)) for number in range(50)]
        for number, task in enumerate(tasks):
            if number % 3:
                await asyncio.sleep(0)
                task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(result) for result in results} <= {type(None), asyncio.CancelledError}
    await asyncio.gather(*(read(number) for number in range(50)))
    await store.close()


@pytest.mark.parametrize("name", calls.WRITES)
async def test_full_redis_refuses_writes_as_oom(name: str, own_store: RedisStore, admin: Redis) -> None:
    await admin.config_set("maxmemory", "1kb")
    with pytest.raises(StoreUnavailable) as raised:
        await calls.WRITES[name](own_store)
    assert raised.value.reason == "oom"
    await admin.config_set("maxmemory", "0")
    await calls.WRITES[name](own_store)


@pytest.mark.parametrize("name", calls.READS)
async def test_full_redis_answers_reads(name: str, own_store: RedisStore, admin: Redis) -> None:
    await own_store.ping()
    await admin.config_set("maxmemory", "1kb")
    await calls.READS[name](own_store)


@pytest.mark.parametrize("name", calls.WRITES)
async def test_read_only_replica_is_unavailable_for_writes(name: str, own_store: RedisStore, admin: Redis) -> None:
    await admin.config_set("replica-serve-stale-data", "yes")
    await admin.replicaof("127.0.0.1", free_port())
    with pytest.raises(StoreUnavailable) as raised:
        await calls.WRITES[name](own_store)
    assert raised.value.reason == "readonly"


WRONG_KEYS = [
    "solaris:history:{alice}",
    "solaris:events:{alice}",
    "solaris:user:{alice}",
    f"solaris:pair:{LIVE}:{{alice}}",
    f"solaris:pair-index:{LIVE}:{{alice}}",
    "solaris:release:main",
    f"solaris:ready:{LIVE}",
    "solaris:watermark:topic",
    "solaris:capacity:pairs",
    *(f"solaris:{name}:{{{b}}}" for b in range(64) for name in ("active", "item-features", f"item:{LIVE}")),
]


@pytest.mark.parametrize("name", sorted(set(calls.ALL) - {"hydrate", "ping", "set_epochs", "missing_epochs"}))
async def test_key_of_the_wrong_type_is_refused_and_does_not_look_like_an_outage(
    name: str, valkey_url: str, valkey: Redis
) -> None:
    for key in WRONG_KEYS:
        await valkey.set(key, "neither a hash nor a sorted set")
    store = RedisStore.connect(RedisSettings(url=valkey_url, agent_timeout_ms=PATIENCE_MS), Profile.AGENT)
    if name == "drop_version":
        await store.drop_version(LIVE)
    else:
        with pytest.raises(StoreRefused):
            await calls.ALL[name](store)
    await store.close()


async def test_damaged_row_is_replaced_whatever_rev_it_claims(valkey_url: str, valkey: Redis) -> None:
    store = RedisStore.connect(RedisSettings(url=valkey_url, agent_timeout_ms=PATIENCE_MS), Profile.AGENT)
    for place in range(16, 24):
        damaged = bytearray(user_row(3, 9.0))
        damaged[place] ^= 0x11
        await valkey.hset("solaris:user:{alice}", str(LIVE), bytes(damaged))
        assert await store.write_user_rows([UserRowWrite(ALICE, {LIVE: user_row(3)})], [LIVE], MINUTE_MS) == 1
    await store.close()


async def test_scripts_are_loaded_again_after_redis_forgot_them(valkey_url: str, valkey: Redis) -> None:
    store = RedisStore.connect(RedisSettings(url=valkey_url, agent_timeout_ms=PATIENCE_MS), Profile.AGENT)
    for _ in range(2):
        await valkey.script_flush()
        for call in calls.WRITES.values():
            await call(store)
    found = await store.hydrate(LIVE, ALICE, items("lamp"))
    assert value_of(found.aggregate, RowKind.AGGREGATE) == 1.0
    await store.close()
