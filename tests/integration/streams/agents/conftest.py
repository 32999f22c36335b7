"""One broker for the session, a Valkey and a release of its own for each module, agents for each test."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from cache.redis_store import Profile, RedisStore
from inference.release import Release, load_release
from local.valkey import running_valkey
from runtime.settings import KafkaSettings, RedisSettings
from streams.wire.producer import Producer
from tests.agents import Topics, begin_at_the_end, make_live
from tests.processes import AgentProcess, stop_all

Start = Callable[..., AgentProcess]
QUICK = {"SOLARIS_AGENT_SESSION_MS": "3000"}  # what is killed is missed soon


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server.url


@pytest.fixture(scope="module")
def release_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("releases")


@pytest.fixture(scope="module")
def live(redis_url: str, release_folder: Path) -> None:
    """An untrained release `v1` is live, and the epochs are set."""

    async def prepare() -> None:
        store = RedisStore.connect(RedisSettings(url=redis_url), Profile.AGENT)
        await make_live(store, release_folder)
        await store.close()

    asyncio.run(prepare())


@pytest.fixture
async def store(live: None, redis_url: str) -> AsyncIterator[RedisStore]:
    """The module's store, with a live release."""
    store = RedisStore.connect(RedisSettings(url=redis_url), Profile.AGENT)
    yield store
    await store.close()


@pytest.fixture
def release(live: None, release_folder: Path) -> Release:
    """The live release."""
    return load_release(release_folder / "v1")


@pytest.fixture
def topics(kafka_topics: str) -> Iterator[Topics]:
    producer = Producer(KafkaSettings(bootstrap=kafka_topics), source="test")
    yield Topics(kafka_topics, producer)
    producer.close()


@pytest.fixture(scope="module")
def agent(
    live: None,
    kafka_topics: str,
    redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[AgentProcess]:
    """One agent of the kind that the test module names as MODULE, for tests that do it no harm."""
    folder = tmp_path_factory.mktemp("agent")
    begin_at_the_end(kafka_topics, request.module.MODULE)
    agent = AgentProcess(request.module.MODULE, kafka_topics, redis_url, folder, dict(QUICK)).start()
    yield agent.wait_consuming()
    assert agent.stop() == 0


@pytest.fixture
def start(live: None, kafka_topics: str, redis_url: str, tmp_path: Path) -> Iterator[Start]:
    """Starts an agent and waits until it has partitions; kills it after the test."""
    agents: list[AgentProcess] = []

    def start_one(module: str, *, wait: bool = True, **env: str) -> AgentProcess:
        agent = AgentProcess(module, kafka_topics, redis_url, tmp_path / f"agent-{len(agents)}", QUICK | env).start()
        agents.append(agent)
        return agent.wait_consuming() if wait else agent

    yield start_one
    stop_all(agents)
