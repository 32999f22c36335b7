"""Item inference against a real broker and a real store."""

import uuid
from pathlib import Path

import numpy as np
import orjson
import pytest

from cache.redis_store import RedisStore
from cache.row import RowKind, decode_rows, rev_of, times_of, width_of
from inference.item_row import ItemState, encode_item_rows
from inference.release import Release
from runtime import clock
from runtime.ids import ItemId, ModelVersion
from streams.wire.events import FeatureValue, ItemMiss, ItemUpdate
from streams.wire.topics import Topic
from tests.agents import Topics, make_live
from tests.processes import AgentProcess
from tests.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.timeout(400)]

V1 = ModelVersion("main", "v1")
MODULE = "streams.item_inference"
FEATURES: dict[str, FeatureValue] = {"category": "c1", "price": 4.5, "tags": ["t1"]}


def new_item() -> ItemId:
    return ItemId(f"item-{uuid.uuid4().hex[:12]}")


def update(item: ItemId, **features: float | str) -> ItemUpdate:
    now_ms = clock.now_ms()
    return ItemUpdate(event_id=uuid.uuid4().hex, event_time_ms=now_ms, item_id=item, features={**FEATURES, **features})


def miss(item: ItemId) -> ItemMiss:
    now_ms = clock.now_ms()
    return ItemMiss(event_id=uuid.uuid4().hex, event_time_ms=now_ms, item_id=item, model="main", version="v1")


async def awaited_row(store: RedisStore, item: ItemId, release: ModelVersion = V1) -> bytes:
    """The item's row, as soon as it is there."""
    row = await eventually(lambda: row_of(store, item, release), 60)
    assert row is not None
    return row


async def row_of(store: RedisStore, item: ItemId, release: ModelVersion = V1) -> bytes | None:
    return (await store.read_item_rows(release, [item]))[0]


async def test_an_update_becomes_the_row_that_the_release_computes(
    store: RedisStore, topics: Topics, agent: AgentProcess, release: Release
) -> None:
    item = new_item()
    event = update(item)
    topics.send(Topic.ITEM_UPDATES, item, event)
    topics.flush()
    row = await awaited_row(store, item)
    assert orjson.loads((await store.read_item_features([item]))[0] or b"") == event.features
    [expected] = encode_item_rows(release, [ItemState(item, event.features, rev_of(row), event.event_time_ms)])
    width = release.manifest.item_width
    stored, computed = (decode_rows([one], RowKind.ITEM, V1, width, 0) for one in (row, expected))
    np.testing.assert_allclose(stored.values, computed.values, atol=1e-3)
    assert stored.as_of_ms[0] == event.event_time_ms


async def test_a_deletion_leaves_a_row_of_width_zero_and_no_features(
    store: RedisStore, topics: Topics, agent: AgentProcess
) -> None:
    item = new_item()
    topics.send(Topic.ITEM_UPDATES, item, update(item))
    topics.send_raw(Topic.ITEM_UPDATES, item.encode(), None)
    topics.flush()

    async def is_deleted() -> bool:
        row = await row_of(store, item)
        return row is not None and width_of(row) == 0 and rev_of(row) > 0

    await eventually(is_deleted, 60)
    assert await store.read_item_features([item]) == [None]


async def test_the_last_of_many_updates_stays(store: RedisStore, topics: Topics, agent: AgentProcess) -> None:
    item = new_item()
    for price in range(50):
        topics.send(Topic.ITEM_UPDATES, item, update(item, price=float(price)))
    topics.flush()

    async def is_last() -> bool:
        features = (await store.read_item_features([item]))[0]
        return features is not None and orjson.loads(features)["price"] == 49.0

    await eventually(is_last, 60)


async def test_an_unknown_item_gets_a_negative_answer_and_a_late_update_replaces_it(
    store: RedisStore, topics: Topics, agent: AgentProcess
) -> None:
    item = new_item()
    topics.send(Topic.ITEM_MISSES, item, miss(item))
    topics.flush()
    row = await awaited_row(store, item)
    computed_ms, expires_ms = times_of(row)
    assert (rev_of(row), width_of(row), expires_ms - computed_ms) == (0, 0, 60_000)
    topics.send(Topic.ITEM_UPDATES, item, update(item))
    topics.flush()

    async def is_known() -> bool:
        found = await row_of(store, item)
        return found is not None and width_of(found) > 0 and times_of(found)[1] == 0

    await eventually(is_known, 60)


async def test_a_staged_release_gets_the_rows_of_old_and_new_items_beside_the_live_one(
    store: RedisStore, topics: Topics, agent: AgentProcess, release_folder: Path
) -> None:
    before, after = new_item(), new_item()
    topics.send(Topic.ITEM_UPDATES, before, update(before))
    topics.flush()
    live_row = await awaited_row(store, before)
    staged = ModelVersion("main", "v2")
    await make_live(store, release_folder, "v2", live=False, seed=1)
    assert rev_of(await awaited_row(store, before, staged)) == rev_of(live_row)
    topics.send(Topic.ITEM_UPDATES, after, update(after))
    topics.flush()
    assert rev_of(await awaited_row(store, after, staged)) == rev_of(await awaited_row(store, after))
