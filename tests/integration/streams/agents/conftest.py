"""One broker for the session, a Valkey and a release of its own for each module, agents for each test."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from cache.redis_store import Profile, RedisStore
from local.valkey import running_valkey
from runtime.settings import KafkaSettings, RedisSettings
from streams.wire.producer import Producer
from tests.agents import AgentProcess, Topics, make_live, stop_all

Start = Callable[..., AgentProcess]


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server.url


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[RedisStore]:
    store = RedisStore.connect(RedisSettings(url=redis_url), Profile.AGENT)
    yield store
    await store.close()


@pytest.fixture
async def live_store(store: RedisStore, tmp_path: Path) -> RedisStore:
    """A store with an untrained release `v1` that is live."""
    if (await store.read_release("main")).live is None:
        await make_live(store, tmp_path)
    return store


@pytest.fixture
def topics(kafka_topics: str) -> Iterator[Topics]:
    producer = Producer(KafkaSettings(bootstrap=kafka_topics), source="test")
    yield Topics(kafka_topics, producer)
    producer.close()


@pytest.fixture
def start(kafka_topics: str, redis_url: str, tmp_path: Path) -> Iterator[Start]:
    """Starts an agent and waits until it has partitions; kills it after the test."""
    agents: list[AgentProcess] = []

    def start_one(module: str, *, wait: bool = True, **env: str) -> AgentProcess:
        agent = AgentProcess(module, kafka_topics, redis_url, tmp_path / f"agent-{len(agents)}", env).start()
        agents.append(agent)
        return agent.wait_consuming() if wait else agent

    yield start_one
    stop_all(agents)
