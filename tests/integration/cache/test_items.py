"""Item rows and features: as in a compacted topic, the greater offset wins."""

import pytest

from cache.row import RowKind, decode_rows
from cache.store import ItemWrite, Store
from runtime import clock
from runtime.ids import ItemId, bucket_of
from tests.integration.cache.rows import LIVE, MINUTE_MS, STAGED, WIDTH, item_row, items, no_item_row, read, value_of
from tests.waiting import eventually

LAMP = ItemId("lamp")


def write(rev: int, value: float = 1.0, item: ItemId = LAMP) -> ItemWrite:
    return ItemWrite(item, rev, b'{"v":%d}' % value, {LIVE: item_row(rev, value)})


async def read_value(store: Store, item: ItemId = LAMP) -> float | None:
    [found] = await store.read_item_rows(LIVE, [item])
    return value_of(found, RowKind.ITEM)


async def test_many_items_come_back_in_the_order_asked(store: Store) -> None:
    names = items(*(f"item {number} ~{{}}é" for number in range(300)))
    assert await store.write_items([write(1 + n, n, name) for n, name in enumerate(names)]) == 300
    asked = [*reversed(names), ItemId("unknown"), names[0]]
    rows = await store.read_item_rows(LIVE, asked)
    decoded = decode_rows(rows, RowKind.ITEM, LIVE, WIDTH, 0)
    assert decoded.rev.tolist() == [*range(300, 0, -1), 0, 1]
    assert decoded.present.tolist() == [True] * 300 + [False, True]
    features = await store.read_item_features(asked)
    assert features == [*(b'{"v":%d}' % n for n in range(299, -1, -1)), None, b'{"v":0}']


async def test_older_update_that_comes_late_changes_nothing(store: Store) -> None:
    assert await store.write_items([write(5, 1.0)]) == 1
    assert await store.write_items([write(4, 2.0)]) == 0
    assert (await read_value(store), await store.read_item_features([LAMP])) == (1.0, [b'{"v":1}'])
    assert await store.write_items([write(5, 3.0), write(6, 4.0), write(5, 5.0)]) == 2
    assert (await read_value(store), await store.read_item_features([LAMP])) == (4.0, [b'{"v":4}'])


async def test_deletion_leaves_a_row_of_width_zero_that_older_updates_cannot_undo(store: Store) -> None:
    await store.write_items([write(5)])
    await store.write_items([ItemWrite(LAMP, 6, None, {LIVE: no_item_row(6)})])
    assert await store.write_items([write(5)]) == 0
    [found] = await store.read_item_rows(LIVE, [LAMP])
    assert read(found, RowKind.ITEM, now_ms=clock.now_ms()).empty[0]
    assert await store.read_item_features([LAMP]) == [None]
    assert await store.scan_items() == [(LAMP, 6, None)]
    assert await store.read_items([LAMP, ItemId("unknown")]) == [(6, None), None]


async def test_a_forgotten_deletion_is_an_item_that_nobody_has_heard_of(store: Store) -> None:
    await store.write_items([write(5)])
    await store.write_items([ItemWrite(LAMP, 6, None, {LIVE: no_item_row(6)})])
    forget = ItemWrite(LAMP, 6, None, {LIVE: no_item_row(6), STAGED: no_item_row(6, STAGED)}, ttl_ms=MINUTE_MS)
    assert await store.write_items([forget]) == 1
    assert await store.read_items([LAMP]) == [None]
    assert await store.scan_items() == []
    for release in (LIVE, STAGED):
        decoded = read((await store.read_item_rows(release, [LAMP]))[0], RowKind.ITEM, release)
        assert decoded.empty[0]
        assert decoded.expires_ms[0] == decoded.computed_ms[0] + MINUTE_MS
    assert await store.write_items([forget]) == 1  # again: nothing to forget
    assert await store.scan_items() == []


@pytest.mark.parametrize("rev", [6, 7])
async def test_what_is_newer_than_a_deletion_or_no_deletion_is_not_forgotten(store: Store, rev: int) -> None:
    await store.write_items([write(6)])
    assert await store.write_items([ItemWrite(LAMP, rev, None, {LIVE: no_item_row(rev)}, ttl_ms=MINUTE_MS)]) == 0
    assert await store.scan_items() == [(LAMP, 6, b'{"v":1}')]
    assert await read_value(store) == 1.0
    await store.write_items([ItemWrite(LAMP, 8, None, {LIVE: no_item_row(8)})])
    assert await store.write_items([ItemWrite(LAMP, rev, None, {LIVE: no_item_row(rev)}, ttl_ms=MINUTE_MS)]) == 0
    assert await store.scan_items() == [(LAMP, 8, None)]


async def test_rows_of_a_staged_release_are_filled_in_at_the_same_rev(store: Store) -> None:
    await store.write_items([write(5)])
    assert await store.write_items([ItemWrite(LAMP, 5, b'{"v":1}', {STAGED: item_row(5, 7.0, STAGED)})]) == 1
    [staged] = await store.read_item_rows(STAGED, [LAMP])
    assert (value_of(staged, RowKind.ITEM, STAGED), await read_value(store)) == (7.0, 1.0)


async def test_negative_answer_has_a_life_and_is_no_known_item(store: Store) -> None:
    await store.write_items([ItemWrite(LAMP, 0, None, {LIVE: no_item_row(0)}, ttl_ms=MINUTE_MS)])
    [found] = await store.read_item_rows(LIVE, [LAMP])
    decoded = read(found, RowKind.ITEM)
    assert decoded.empty[0]
    assert decoded.expires_ms[0] == decoded.computed_ms[0] + MINUTE_MS
    assert read(found, RowKind.ITEM, now_ms=int(decoded.expires_ms[0])).expired[0]
    assert await store.scan_items() == []
    assert await store.write_items([write(1)]) == 1
    assert await read_value(store) == 1.0


async def test_item_that_was_unknown_stays_known_after_its_negative_answer_would_have_ended(store: Store) -> None:
    await store.write_items([ItemWrite(LAMP, 0, None, {LIVE: no_item_row(0)}, ttl_ms=1)])
    await store.write_items([write(1)])
    [found] = await store.read_item_rows(LIVE, [LAMP])
    await eventually(lambda: clock.now_ms() > read(found, RowKind.ITEM).computed_ms[0] + 10)
    neighbour = next(ItemId(str(n)) for n in range(10_000) if bucket_of(str(n)) == bucket_of(LAMP))
    await store.write_items([write(1, 1.0, neighbour)])
    assert await read_value(store) == 1.0


async def test_negative_answer_never_hides_a_known_item(store: Store) -> None:
    await store.write_items([write(1)])
    assert await store.write_items([ItemWrite(LAMP, 0, None, {LIVE: no_item_row(0)}, ttl_ms=MINUTE_MS)]) == 0
    assert await read_value(store) == 1.0


async def test_scan_finds_every_item_once(store: Store) -> None:
    names = items(*(f"i~{number}" for number in range(1500)))
    await store.write_items([ItemWrite(name, n + 1, b"{}", {}) for n, name in enumerate(names)])
    expected: list[tuple[ItemId, int, bytes | None]] = [(name, n + 1, b"{}") for n, name in enumerate(names)]
    assert sorted(await store.scan_items()) == sorted(expected)


async def test_dropped_version_takes_its_rows_and_leaves_the_rest(store: Store) -> None:
    await store.write_items([ItemWrite(LAMP, 1, b"{}", {LIVE: item_row(1), STAGED: item_row(1, release=STAGED)})])
    await store.drop_version(STAGED)
    assert await store.read_item_rows(STAGED, [LAMP]) == [None]
    assert await read_value(store) == 1.0
    assert await store.read_item_features([LAMP]) == [b"{}"]


async def test_bytes_that_are_no_row_are_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="not a row"):
        await store.write_items([ItemWrite(LAMP, 1, b"{}", {LIVE: b"x" * 80})])


async def test_items_are_told_with_their_rev_deleted_ones_too(store: Store) -> None:
    gone, unknown = ItemId("gone"), ItemId("unknown")
    await store.write_items([write(5), ItemWrite(gone, 7, None, {LIVE: no_item_row(7)})])
    await store.write_items([ItemWrite(unknown, 0, None, {LIVE: no_item_row(0)}, MINUTE_MS)])
    assert await store.read_items([LAMP, gone, unknown]) == [(5, b'{"v":1}'), (7, None), None]
