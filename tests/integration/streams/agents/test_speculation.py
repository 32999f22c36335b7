"""Speculation and pair inference together: a retrieval becomes pair rows and an aggregate."""

import uuid
from collections.abc import Iterator

import numpy as np
import orjson
import pytest

from cache.redis_store import RedisStore
from cache.row import RowKind, decode_rows
from cache.store import ItemWrite
from inference.pair_row import encode_pair_rows
from inference.release import Release
from runtime import clock
from runtime.ids import ItemId, ModelVersion, UserId
from streams.wire.codec import decode_value
from streams.wire.events import Candidate, PairRequest, RequestedPair, Retrieval
from streams.wire.topics import Topic
from tests.agents import Topics, begin_at_the_end, click, new_user
from tests.integration.streams.agents.conftest import QUICK
from tests.processes import AgentProcess
from tests.unit.inference.releases import ITEMS
from tests.waiting import eventually, wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.timeout(400)]

V1 = ModelVersion("main", "v1")
MODULE = "streams.pair_inference"


@pytest.fixture(scope="module")
def speculation(agent: AgentProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentProcess]:
    """The other of the two, beside pair inference."""
    folder = tmp_path_factory.mktemp("speculation")
    begin_at_the_end(agent.kafka, "streams.speculation")  # a backlog would take its budget, and what is dropped is lost
    other = AgentProcess("streams.speculation", agent.kafka, agent.redis, folder, dict(QUICK)).start()
    yield other.wait_consuming()
    assert other.stop() == 0


@pytest.fixture
async def items(store: RedisStore) -> list[ItemId]:
    """Items with features, which is what pair inference needs of them."""
    await store.write_items([ItemWrite(item, 1, orjson.dumps(features), {}) for item, features in ITEMS.items()])
    return list(ITEMS)


def retrieval(user: UserId, items: list[ItemId]) -> Retrieval:
    return Retrieval(
        event_id=uuid.uuid4().hex,
        event_time_ms=clock.now_ms(),
        type="completed",
        request_id="r",
        user_id=user,
        candidates=[Candidate(item_id=item) for item in items],
    )


async def test_a_retrieval_becomes_pair_rows_as_the_foundation_model_computes_them(
    store: RedisStore, topics: Topics, speculation: AgentProcess, release: Release, items: list[ItemId]
) -> None:
    user = new_user()
    topics.send(Topic.RETRIEVAL_EVENTS, user, retrieval(user, items[:6]))
    topics.flush()

    async def has_pairs() -> bool:
        [index] = await store.pair_index(V1, [user])
        aggregate = (await store.hydrate(V1, user, [])).aggregate  # made of the rows, a round trip after them
        return set(index.stored) == set(items[:6]) and not index.pending and aggregate is not None

    await eventually(has_pairs, 60)
    hydrated = await store.hydrate(V1, user, items[:6])
    width = release.manifest.pair_width
    stored = decode_rows(hydrated.pair_rows, RowKind.PAIR, V1, width, clock.now_ms())
    [history] = await store.read_histories([user])
    expected = encode_pair_rows(release, history, [(item, ITEMS[item]) for item in items[:6]])
    np.testing.assert_allclose(stored.values, decode_rows(expected, RowKind.PAIR, V1, width, 0).values, atol=2e-3)
    aggregate = decode_rows([hydrated.aggregate], RowKind.AGGREGATE, V1, width, 0)
    np.testing.assert_allclose(aggregate.values[0], stored.values.mean(axis=0), atol=2e-3)


async def test_pairs_that_are_there_are_not_asked_for_again(
    store: RedisStore, topics: Topics, speculation: AgentProcess, items: list[ItemId]
) -> None:
    user = new_user()

    async def are_fresh(count: int) -> bool:
        return len((await store.pair_index(V1, [user]))[0].stored) == count

    before = topics.ends(Topic.PAIR_REQUESTS)
    topics.send(Topic.RETRIEVAL_EVENTS, user, retrieval(user, items[:3]))
    topics.flush()
    await eventually(lambda: are_fresh(3), 60)
    topics.send(Topic.RETRIEVAL_EVENTS, user, retrieval(user, items[:4]))
    topics.flush()
    await eventually(lambda: are_fresh(4), 60)
    requested = [request for request in _requests(topics, before) if request.user_id == user]
    assert sorted(pair.item_id for request in requested for pair in request.items) == sorted(items[:4])


async def test_requests_that_are_late_or_for_another_release_are_dropped_and_counted(
    store: RedisStore, topics: Topics, agent: AgentProcess, items: list[ItemId]
) -> None:
    user, now_ms = new_user(), clock.now_ms()

    def request(item: ItemId, version: str = "v1", expires_ms: int = now_ms + 60_000) -> PairRequest:
        return PairRequest(
            event_id=uuid.uuid4().hex, event_time_ms=now_ms, user_id=user, rev=0, model="main", version=version,
            items=[RequestedPair(item_id=item, value=1.0)], expires_ms=expires_ms,
        )  # fmt: skip

    def counts() -> list[float]:
        kinds = ("pairs_expired", "pairs_other_version", "pairs_unknown_item")
        return [agent.metric(f'solaris_agent_effects_total{{kind="{kind}"}}') for kind in kinds]

    before = counts()
    for event in (request(items[0], expires_ms=now_ms), request(items[1], "v9"), request(ItemId("unknown"))):
        topics.send(Topic.PAIR_REQUESTS, user, event)
    topics.send(Topic.PAIR_REQUESTS, user, request(items[2]))
    topics.flush()

    async def has_pair() -> bool:
        return set((await store.pair_index(V1, [user]))[0].stored) == {items[2]}

    await eventually(has_pair, 60)

    # Other tests' activity is speculated on as well, so there may be more.
    wait_until(lambda: all(now > then for now, then in zip(counts(), before, strict=True)), 60)


async def test_what_a_user_did_is_worth_a_pair(
    store: RedisStore, topics: Topics, speculation: AgentProcess, items: list[ItemId]
) -> None:
    user = new_user()
    topics.send(Topic.USER_ACTIVITY, user, click(user, items[7]))
    topics.flush()

    async def has_pair() -> bool:
        return set((await store.pair_index(V1, [user]))[0].stored) == {items[7]}

    await eventually(has_pair, 60)


def _requests(topics: Topics, since: dict[int, int]) -> list[PairRequest]:
    values = [record.value or b"" for record in topics.since(Topic.PAIR_REQUESTS, since)]
    decoded = [decode_value(Topic.PAIR_REQUESTS, value) for value in values]
    return [event for event in decoded if isinstance(event, PairRequest)]
