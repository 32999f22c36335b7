"""Everything a request needs, in one round trip."""

import pytest

from cache.row import RowKind
from cache.store import HistoryEvent, HistoryUpdate, Hydrated, ItemWrite, PairWrite, Store, UserRowWrite
from runtime.ids import UserId
from tests.integration.cache.conftest import StoreMaker
from tests.integration.cache.rows import ALICE, LIVE, MINUTE_MS, item_row, items, pair_row, user_row, value_of


async def test_unknown_user_and_items_are_missing_everywhere(store: Store) -> None:
    found = await store.hydrate(LIVE, UserId("nobody"), items("a", "b"))
    assert found == Hydrated(0, None, [None, None], [None, None], None)


async def test_request_without_candidates_has_the_user_alone(store: Store) -> None:
    await store.write_user_rows([UserRowWrite(ALICE, {LIVE: user_row(1)})], [LIVE], MINUTE_MS)
    found = await store.hydrate(LIVE, ALICE, [])
    assert value_of(found.user_row, RowKind.USER) == 1.0
    assert (found.item_rows, found.pair_rows) == ([], [])


async def test_each_part_stands_where_it_was_asked(store: Store) -> None:
    names = items(*(f"item-{number}" for number in range(40)))
    await store.apply_activity([HistoryUpdate(ALICE, [HistoryEvent("e", 1, 41, b"x")])])
    await store.write_user_rows([UserRowWrite(ALICE, {LIVE: user_row(42, 5.0)})], [LIVE], MINUTE_MS)
    await store.write_items([ItemWrite(n, 1, b"{}", {LIVE: item_row(1, i)}) for i, n in enumerate(names) if i % 3])
    pairs = {name: pair_row(42, float(i)) for i, name in enumerate(names) if i % 2}
    await store.write_pairs(LIVE, [PairWrite(ALICE, pairs)], MINUTE_MS)
    found = await store.hydrate(LIVE, ALICE, [*names, names[1]])
    expected = [*range(40), 1]
    assert found.rev == 42
    assert value_of(found.user_row, RowKind.USER) == 5.0
    assert [value_of(row, RowKind.ITEM) for row in found.item_rows] == [i if i % 3 else None for i in expected]
    assert [value_of(row, RowKind.PAIR) for row in found.pair_rows] == [i if i % 2 else None for i in expected]
    assert value_of(found.aggregate, RowKind.AGGREGATE) == 20.0


async def test_key_of_the_wrong_type_is_a_miss_for_a_request(make_store: StoreMaker, redis_settings: object) -> None:
    if redis_settings is None:
        pytest.skip("memory has no wrong types")
    store = make_store(128)
    [lamp] = items("lamp")
    await store.write_items([ItemWrite(lamp, 1, b"{}", {LIVE: item_row(1)})])
    wrong = [f"solaris:pair:{LIVE}:{{alice}}", "solaris:user:{alice}"]
    await store._link.run([("SET", key, "not a hash") for key in wrong])  # type: ignore[attr-defined]
    found = await store.hydrate(LIVE, ALICE, [lamp])
    assert (found.user_row, found.pair_rows, found.aggregate) == (None, [None], None)
    assert value_of(found.item_rows[0], RowKind.ITEM) == 1.0
