"""One suite over the three stores: memory, one server, a cluster of three."""

from collections.abc import AsyncIterator, Callable

import pytest
from redis.asyncio import Redis

from cache.limits import DEFAULT_HISTORY_LENGTH
from cache.memory import MemoryStore
from cache.redis_store import Profile, RedisStore
from cache.store import Store
from runtime.settings import RedisSettings

StoreMaker = Callable[[int], Store]

BACKENDS = [
    "memory",
    pytest.param("redis", marks=pytest.mark.redis),
    pytest.param("cluster", marks=pytest.mark.cluster),
]


# The suite says what calls do, not how fast: a busy machine must not decide it. Failures have tests of their own.
PATIENCE_MS = 20_000


@pytest.fixture(params=BACKENDS)
def redis_settings(request: pytest.FixtureRequest) -> RedisSettings | None:
    """Where the store of this test is; None for the one in memory."""
    if request.param == "memory":
        return None
    if request.param == "redis":
        return RedisSettings(url=request.getfixturevalue("valkey_url"), agent_timeout_ms=PATIENCE_MS)
    nodes = request.getfixturevalue("valkey_cluster_nodes")
    return RedisSettings(url=f"redis://{nodes[0]}", cluster=True, agent_timeout_ms=PATIENCE_MS)


@pytest.fixture
async def make_store(request: pytest.FixtureRequest, redis_settings: RedisSettings | None) -> AsyncIterator[StoreMaker]:
    """Makes empty stores; those of one test share their data, unless they are in memory."""
    if redis_settings is not None:
        nodes = request.getfixturevalue("valkey_cluster_nodes") if redis_settings.cluster else []
        for url in [f"redis://{node}" for node in nodes] or [redis_settings.url]:
            await flush(url)
    made: list[Store] = []

    def make(history_length: int = DEFAULT_HISTORY_LENGTH) -> Store:
        store: Store
        if redis_settings is None:
            store = MemoryStore(history_length=history_length)
        else:
            store = RedisStore.connect(redis_settings, Profile.AGENT, history_length)
        made.append(store)
        return store

    yield make
    for store in made:
        await store.close()


@pytest.fixture
def store(make_store: StoreMaker) -> Store:
    """An empty store."""
    return make_store(DEFAULT_HISTORY_LENGTH)


@pytest.fixture
async def valkey(valkey_url: str) -> AsyncIterator[Redis]:
    """A plain client of the one server, which is emptied."""
    await flush(valkey_url)
    async with Redis.from_url(valkey_url, protocol=2) as client:
        yield client


async def flush(url: str) -> None:
    """Empty one server, and let it forget its scripts."""
    async with Redis.from_url(url) as client:
        await client.flushall()
        await client.script_flush()
