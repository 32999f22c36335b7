"""What pair requests leave in the store, and what is dropped on the way."""

import numpy as np
import orjson
import pytest

from cache.memory import MemoryStore
from cache.row import RowKind, decode_rows
from cache.store import HistoryEvent, HistoryUpdate, ItemWrite
from inference.effects.capacity import Capacity
from inference.effects.pairs import PairOutcome, compute_pairs
from inference.pair_row import encode_pair_rows
from inference.release import Release
from runtime.ids import ItemId, UserId
from streams.wire.events import PairRequest, RequestedPair
from streams.wire.topics import Topic
from tests.unit.inference.effects.conftest import NOW_MS, received
from tests.unit.inference.releases import ITEMS, history

ANN = UserId("user-1")
NAMES = list(ITEMS)


def request(
    values: dict[str, float], user: str = ANN, version: str = "v1", expires_ms: int = NOW_MS + 1
) -> PairRequest:
    return PairRequest(
        event_id="p", event_time_ms=NOW_MS, user_id=user, rev=1, model="main", version=version, expires_ms=expires_ms,
        items=[RequestedPair(item_id=item, value=value) for item, value in values.items()],
    )  # fmt: skip


@pytest.fixture
async def filled(store: MemoryStore) -> MemoryStore:
    """A store with all items, and a history of Ann's."""
    await store.write_items([ItemWrite(item, 1, orjson.dumps(features), {}) for item, features in ITEMS.items()])
    payloads = history(5).payloads
    events = [HistoryEvent(f"e{i}", NOW_MS + i, i, payload) for i, payload in enumerate(payloads)]
    await store.apply_activity([HistoryUpdate(ANN, events)])
    return store


async def compute(store: MemoryStore, releases: list[Release], *asked: PairRequest, capacity: int = 99) -> PairOutcome:
    batch = received(*asked, topic=Topic.PAIR_REQUESTS)
    return await compute_pairs(store, releases, batch, now_ms=NOW_MS, capacity=capacity)


async def test_rows_and_aggregate_are_what_the_foundation_model_says_of_the_history(
    filled: MemoryStore, releases: list[Release]
) -> None:
    outcome = await compute(filled, releases, request({NAMES[0]: 0.5, NAMES[1]: 0.1}))
    assert outcome == PairOutcome(computed=2)
    release = releases[0]
    hydrated = await filled.hydrate(release.model_version, ANN, NAMES[:2])
    width = release.manifest.pair_width
    stored = decode_rows(hydrated.pair_rows, RowKind.PAIR, release.model_version, width, NOW_MS)
    [known] = await filled.read_histories([ANN])
    expected = encode_pair_rows(release, known, [(item, ITEMS[item]) for item in NAMES[:2]])
    np.testing.assert_allclose(
        stored.values, decode_rows(expected, RowKind.PAIR, release.model_version, width, 0).values, atol=2e-3
    )
    assert stored.rev.tolist() == [known.rev] * 2
    aggregate = decode_rows([hydrated.aggregate], RowKind.AGGREGATE, release.model_version, width, 0)
    np.testing.assert_allclose(aggregate.values[0], stored.values.mean(axis=0), atol=2e-3)


async def test_the_least_valuable_pairs_are_shed(filled: MemoryStore, releases: list[Release]) -> None:
    asked = [request({NAMES[0]: 0.1, NAMES[1]: 0.9}), request({NAMES[2]: 0.5}, user="bob"), request({NAMES[3]: 0.2})]
    assert await compute(filled, releases, *asked, capacity=2) == PairOutcome(computed=2, shed=2)
    version = releases[0].model_version
    fresh = [set(index.stored) for index in await filled.pair_index(version, [ANN, UserId("bob")])]
    assert fresh == [{NAMES[1]}, {NAMES[2]}]


async def test_late_requests_other_versions_and_unknown_items_are_dropped_and_counted(
    filled: MemoryStore, releases: list[Release]
) -> None:
    outcome = await compute(
        filled,
        releases,
        request({NAMES[0]: 1.0}, expires_ms=NOW_MS),
        request({NAMES[1]: 1.0, NAMES[2]: 1.0}, version="v9"),
        request({"unknown": 1.0}),
        request({NAMES[3]: 1.0}, version="v2"),
    )
    assert outcome == PairOutcome(computed=1, expired=1, other_version=2, unknown_item=1)
    indexes = [(await filled.pair_index(release.model_version, [ANN]))[0].stored for release in releases]
    assert [set(fresh) for fresh in indexes] == [set(), {NAMES[3]}]


async def test_a_pair_that_is_asked_for_twice_is_computed_once(filled: MemoryStore, releases: list[Release]) -> None:
    outcome = await compute(filled, releases, request({NAMES[0]: 0.1}), request({NAMES[0]: 0.4}))
    assert outcome == PairOutcome(computed=1, shed=1)


async def test_a_pair_row_clears_its_pending_mark(filled: MemoryStore, releases: list[Release]) -> None:
    version = releases[0].model_version
    await filled.mark_pending(version, ANN, [ItemId(NAMES[0])], NOW_MS + 60_000)
    await compute(filled, releases, request({NAMES[0]: 0.1}))
    assert (await filled.pair_index(version, [ANN]))[0].pending == {}


def test_capacity_follows_what_was_measured_and_is_never_zero() -> None:
    capacity = Capacity(200, 0.5)
    assert capacity.batch == 100
    for _ in range(50):
        capacity.observe(100, 1.0)
    assert capacity.batch == 50
    for _ in range(200):
        capacity.observe(1, 10.0)
    assert capacity.batch == 1
    capacity.observe(0, 1.0)
    assert capacity.per_s > 0
