"""One broker for the session, a Valkey and a release of its own for each module, a ranker for each module."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cache.redis_store import Profile, RedisStore
from inference.client import RankClient
from inference.release import Release, load_release
from local.valkey import running_valkey
from runtime.settings import KafkaSettings, RedisSettings
from streams.wire.producer import Producer
from tests.agents import Topics, make_live
from tests.integration.inference.ranker import fill_items
from tests.processes import PATIENT, RankerProcess


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server.url


@pytest.fixture(scope="module")
def release_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("releases")


@pytest.fixture(scope="module")
def live(redis_url: str, release_folder: Path) -> Release:
    """An untrained release `v1` is live, with rows of every item."""

    async def prepare() -> Release:
        store = RedisStore.connect(RedisSettings(url=redis_url), Profile.AGENT)
        await make_live(store, release_folder)
        release = load_release(release_folder / "v1")
        await fill_items(store, release)
        await store.close()
        return release

    return asyncio.run(prepare())


@pytest.fixture
async def store(live: Release, redis_url: str) -> AsyncIterator[RedisStore]:
    store = RedisStore.connect(RedisSettings(url=redis_url), Profile.AGENT)
    yield store
    await store.close()


@pytest.fixture(scope="module")
def ranker(
    live: Release, redis_url: str, kafka_topics: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RankerProcess]:
    """A ranker that is ready; it must end well when it is told to."""
    ranker = RankerProcess(kafka_topics, redis_url, tmp_path_factory.mktemp("ranker"), dict(PATIENT)).start()
    yield ranker.wait_ready()
    assert ranker.stop() == 0


@pytest.fixture
async def client(ranker: RankerProcess) -> AsyncIterator[RankClient]:
    async with RankClient(ranker.url) as client:
        yield client


@pytest.fixture
def topics(kafka_topics: str) -> Iterator[Topics]:
    producer = Producer(KafkaSettings(bootstrap=kafka_topics), source="test")
    yield Topics(kafka_topics, producer)
    producer.close()
