"""What item updates, deletions and misses leave in the store."""

from typing import NoReturn

import numpy as np
import orjson
import pytest

from cache.memory import MemoryStore
from cache.row import RowKind, decode_rows, rev_of, times_of, width_of
from inference.effects.items import (
    UNKNOWN_TTL_MS,
    answer_item_misses,
    apply_item_updates,
    fill_items,
    repair_items,
)
from inference.item_row import ItemState, encode_item_rows
from inference.release import Release
from runtime.clock import ManualClock
from runtime.ids import ItemId
from streams.wire.codec import Tombstone
from streams.wire.events import FeatureValue, ItemMiss, ItemUpdate
from tests.unit.inference.effects.conftest import NOW_MS, received

LAMP = ItemId("lamp")


def update(price: float, item: str = LAMP) -> ItemUpdate:
    features: dict[str, FeatureValue] = {"category": "c1", "price": price}
    return ItemUpdate(event_id=f"e{price}", event_time_ms=NOW_MS - 5, item_id=item, features=features)


def miss(item: str) -> ItemMiss:
    return ItemMiss(event_id="m", event_time_ms=NOW_MS, item_id=item, model="main", version="v1")


async def rows_of(store: MemoryStore, releases: list[Release], item: ItemId = LAMP) -> list[bytes | None]:
    return [(await store.read_item_rows(release.model_version, [item]))[0] for release in releases]


async def test_of_several_updates_in_a_batch_the_one_with_the_greatest_offset_stays(
    store: MemoryStore, releases: list[Release]
) -> None:
    assert await apply_item_updates(store, releases, list(reversed(received(update(1), update(2), update(3))))) == 1
    assert await store.read_items([LAMP]) == [(3, orjson.dumps({"category": "c1", "price": 3}))]


async def test_every_release_gets_the_row_that_it_computes_itself(store: MemoryStore, releases: list[Release]) -> None:
    await apply_item_updates(store, releases, received(update(4)))
    for release, row in zip(releases, await rows_of(store, releases), strict=True):
        version, width = release.model_version, release.manifest.item_width
        state = ItemState(LAMP, update(4).features, 1, NOW_MS - 5)
        stored = decode_rows([row], RowKind.ITEM, version, width, NOW_MS)
        expected = decode_rows(encode_item_rows(release, [state]), RowKind.ITEM, version, width, NOW_MS)
        assert stored.present.all()
        np.testing.assert_array_equal(stored.values, expected.values)
        assert (stored.rev[0], stored.as_of_ms[0]) == (1, NOW_MS - 5)


async def test_an_update_that_comes_again_or_late_changes_nothing(store: MemoryStore, releases: list[Release]) -> None:
    batch = received(update(1), update(2))
    await apply_item_updates(store, releases, batch)
    before = (await store.read_items([LAMP]), await rows_of(store, releases))
    await apply_item_updates(store, releases, batch)
    assert (await store.read_items([LAMP]), await rows_of(store, releases)) == before
    assert await apply_item_updates(store, releases, batch[:1]) == 0
    assert (await store.read_items([LAMP]), await rows_of(store, releases)) == before


async def test_a_deletion_leaves_rows_of_width_zero_that_outrank_the_update(
    store: MemoryStore, releases: list[Release]
) -> None:
    batch = received(update(1), Tombstone(LAMP), first=7)
    await apply_item_updates(store, releases, batch)  # type: ignore[arg-type]
    assert [(width_of(row or b""), rev_of(row)) for row in await rows_of(store, releases)] == [(0, 9), (0, 9)]
    await apply_item_updates(store, releases, batch[:1])  # type: ignore[arg-type]
    assert await store.read_item_features([LAMP]) == [None]


async def test_without_a_release_the_features_are_kept_all_the_same(store: MemoryStore) -> None:
    assert await apply_item_updates(store, [], received(update(1))) == 1
    assert (await store.read_item_features([LAMP]))[0] is not None


async def test_a_miss_of_a_known_item_writes_its_rows_under_its_own_rev(
    store: MemoryStore, releases: list[Release]
) -> None:
    await apply_item_updates(store, [], received(update(1), first=41))
    assert await answer_item_misses(store, releases, received(miss(LAMP), miss(LAMP))) == 1
    assert [rev_of(row) for row in await rows_of(store, releases)] == [42, 42]


async def test_a_miss_of_an_unknown_item_is_answered_for_a_minute_and_no_longer(
    store: MemoryStore, releases: list[Release]
) -> None:
    await answer_item_misses(store, releases, received(miss("nobody")))
    [row, _] = await rows_of(store, releases, ItemId("nobody"))
    assert row is not None
    assert (width_of(row), rev_of(row), times_of(row)) == (0, 0, (NOW_MS, NOW_MS + UNKNOWN_TTL_MS))
    assert await store.read_items([ItemId("nobody")]) == [None]
    await apply_item_updates(store, releases, received(update(1, "nobody")))
    [row, _] = await rows_of(store, releases, ItemId("nobody"))
    assert row is not None
    assert (width_of(row) > 0, times_of(row)[1]) == (True, 0)


async def test_a_miss_of_a_deleted_item_restores_the_deletion(store: MemoryStore, releases: list[Release]) -> None:
    await apply_item_updates(store, [], received(Tombstone(LAMP), first=4))
    await answer_item_misses(store, releases, received(miss(LAMP)))
    [row, _] = await rows_of(store, releases)
    assert row is not None
    assert (width_of(row), rev_of(row), times_of(row)[1]) == (0, 5, 0)


async def test_a_staged_release_is_filled_from_what_the_store_knows(
    store: MemoryStore, releases: list[Release]
) -> None:
    live, staged = releases
    await apply_item_updates(store, [live], received(*[update(k, f"item-{k}") for k in range(5)]))
    assert await fill_items(store, [staged], await store.scan_items()) == 5
    rows = await store.read_item_rows(staged.model_version, [ItemId(f"item-{k}") for k in range(5)])
    assert [rev_of(row) for row in rows] == [1, 2, 3, 4, 5]


async def test_a_repair_writes_what_is_missing_or_older_than_the_features_and_nothing_else(
    store: MemoryStore, releases: list[Release], clock: ManualClock
) -> None:
    live, staged = releases
    await apply_item_updates(store, releases, received(update(1, "same"), update(2, "older")))
    await apply_item_updates(store, [live], received(update(3, "older"), update(4, "missing"), first=2))
    clock.advance(1)
    assert await repair_items(store, staged) == 2
    names = [ItemId(name) for name in ("same", "older", "missing")]
    rows = await store.read_item_rows(staged.model_version, names)
    assert [rev_of(row) for row in rows] == [1, 3, 4]
    assert [times_of(row or b"")[0] - NOW_MS for row in rows] == [0, 1_000, 1_000]
    assert await repair_items(store, staged) == 0


async def test_a_staged_release_that_cannot_encode_costs_the_live_one_nothing(
    store: MemoryStore, releases: list[Release], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(releases[1], "item_rows", _fail)
    assert await apply_item_updates(store, releases, received(update(1))) == 1
    assert (await rows_of(store, releases))[1] is None
    assert rev_of((await rows_of(store, releases))[0]) == 1


async def test_an_item_that_a_staged_release_cannot_encode_costs_the_others_of_its_batch_nothing(
    store: MemoryStore, releases: list[Release], monkeypatch: pytest.MonkeyPatch
) -> None:
    staged = releases[1]
    encode = staged.item_rows
    monkeypatch.setattr(staged, "item_rows", lambda items: _fail(items) if "bad" in dict(items) else encode(items))
    assert await apply_item_updates(store, releases, received(update(1), update(2, "bad"))) == 2
    rows = await store.read_item_rows(staged.model_version, [LAMP, ItemId("bad")])
    assert [row is not None for row in rows] == [True, False]


async def test_a_live_release_that_cannot_encode_is_a_failure(
    store: MemoryStore, releases: list[Release], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(releases[0], "item_rows", _fail)
    with pytest.raises(RuntimeError):
        await apply_item_updates(store, releases, received(update(1)))
    assert await store.read_items([LAMP]) == [None]


def _fail(_: object) -> NoReturn:
    raise RuntimeError("this tower is broken")
