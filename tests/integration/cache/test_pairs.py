"""Pair rows, the aggregate that is made of them, and what is fresh or pending."""

import asyncio

from cache.limits import MAX_PAIRS
from cache.row import RowKind
from cache.store import HistoryEvent, HistoryUpdate, Hydrated, PairWrite, Store
from runtime.clock import now_ms
from runtime.ids import ItemId
from tests.integration.cache.conftest import StoreMaker
from tests.integration.cache.rows import ALICE, BOB, LIVE, MINUTE_MS, STAGED, items, pair_row, read, value_of
from tests.waiting import eventually

LAMP, SOFA = items("lamp", "~sofa")


async def write(store: Store, rows: dict[ItemId, bytes], ttl_ms: int = MINUTE_MS) -> int:
    return await store.write_pairs(LIVE, [PairWrite(ALICE, rows)], ttl_ms)


async def hydrate(store: Store, *asked: ItemId) -> Hydrated:
    return await store.hydrate(LIVE, ALICE, list(asked))


async def aggregate_value(store: Store) -> float | None:
    return value_of((await hydrate(store)).aggregate, RowKind.AGGREGATE)


async def test_pairs_come_back_with_their_aggregate(store: Store) -> None:
    rows = {LAMP: pair_row(3, 1.0, as_of_ms=30), SOFA: pair_row(5, 3.0, as_of_ms=50)}
    assert await write(store, rows) == 2
    found = await hydrate(store, SOFA, ItemId("unknown"), LAMP)
    sofa, unknown, lamp = found.pair_rows
    assert (value_of(sofa, RowKind.PAIR), unknown, value_of(lamp, RowKind.PAIR)) == (3.0, None, 1.0)
    aggregate = read(found.aggregate, RowKind.AGGREGATE)
    assert aggregate.values[0].tolist() == [2.0] * 4
    assert (aggregate.rev[0], aggregate.as_of_ms[0]) == (5, 30)
    assert aggregate.expires_ms[0] == aggregate.computed_ms[0] + MINUTE_MS


async def test_greater_rev_wins_pair_by_pair(store: Store) -> None:
    await write(store, {LAMP: pair_row(5, 1.0), SOFA: pair_row(5, 1.0)})
    assert await write(store, {LAMP: pair_row(4, 8.0), SOFA: pair_row(6, 3.0)}) == 1
    lamp, sofa = (await hydrate(store, LAMP, SOFA)).pair_rows
    assert (value_of(lamp, RowKind.PAIR), value_of(sofa, RowKind.PAIR)) == (1.0, 3.0)
    assert await aggregate_value(store) == 2.0


async def test_duplicate_write_counts_once_in_the_aggregate(store: Store) -> None:
    for _ in range(3):
        await write(store, {LAMP: pair_row(1, 1.0)})
    await write(store, {SOFA: pair_row(1, 2.0)})
    assert await aggregate_value(store) == 1.5


async def test_one_user_in_two_writes_of_a_call_has_both(store: Store) -> None:
    writes = [PairWrite(ALICE, {LAMP: pair_row(1, 1.0)}), PairWrite(ALICE, {SOFA: pair_row(1, 2.0)})]
    assert await store.write_pairs(LIVE, writes, MINUTE_MS) == 2
    assert await aggregate_value(store) == 1.5


async def test_aggregate_is_as_old_as_its_oldest_member_and_lives_as_long_as_its_youngest(store: Store) -> None:
    await write(store, {LAMP: pair_row(1)})
    first = read((await hydrate(store, LAMP)).pair_rows[0], RowKind.PAIR).computed_ms[0]
    await eventually(lambda: now_ms() > first)
    await write(store, {SOFA: pair_row(2)})
    found = await hydrate(store, SOFA)
    last = read(found.pair_rows[0], RowKind.PAIR)
    aggregate = read(found.aggregate, RowKind.AGGREGATE)
    assert last.computed_ms[0] > first
    assert (aggregate.computed_ms[0], aggregate.expires_ms[0]) == (first, last.expires_ms[0])


async def test_expired_pairs_leave_the_store_and_the_aggregate(store: Store) -> None:
    await write(store, {LAMP: pair_row(1, 1.0)}, ttl_ms=30)
    await write(store, {SOFA: pair_row(1, 3.0)})

    async def lamp_is_gone() -> bool:
        await write(store, {SOFA: pair_row(1, 3.0)})
        return (await hydrate(store, LAMP)).pair_rows == [None]

    await eventually(lamp_is_gone)
    await write(
        store, {SOFA: pair_row(1, 3.0)}
    )  # the last one may have been a moment before the end of the lamp's life
    assert await aggregate_value(store) == 3.0
    [index] = await store.pair_index(LIVE, [ALICE])
    assert set(index.stored) == {SOFA}


async def test_everything_of_an_idle_user_is_gone_after_the_ttl(store: Store) -> None:
    await write(store, {LAMP: pair_row(1)}, ttl_ms=30)

    async def gone() -> bool:
        found = await hydrate(store, LAMP)
        return found.aggregate is None and found.pair_rows == [None]

    await eventually(gone)


async def test_a_user_keeps_the_pairs_that_live_longest(store: Store) -> None:
    first = items(*(f"first-{number}" for number in range(10)))
    rest = items(*(f"rest-{number:03}" for number in range(MAX_PAIRS - 5)))
    await write(store, {item: pair_row(1) for item in first}, ttl_ms=MINUTE_MS)
    await write(store, {item: pair_row(1) for item in rest}, ttl_ms=2 * MINUTE_MS)
    [index] = await store.pair_index(LIVE, [ALICE])
    assert len(index.stored) == MAX_PAIRS
    assert set(rest) <= set(index.stored)
    kept = (await hydrate(store, *first)).pair_rows
    assert sum(row is not None for row in kept) == 5


async def test_pending_marks_are_given_once_and_cleared_by_the_write(store: Store) -> None:
    expires_ms = now_ms() + MINUTE_MS
    await write(store, {LAMP: pair_row(1)})
    chair = ItemId("chair")
    assert await store.mark_pending(LIVE, ALICE, [SOFA, chair, SOFA], expires_ms) == [SOFA, chair]
    assert await store.mark_pending(LIVE, ALICE, [SOFA, chair], expires_ms + 1) == []
    [index] = await store.pair_index(LIVE, [ALICE])
    assert (dict(index.stored), dict(index.pending)) == ({LAMP: 1}, {SOFA: expires_ms, chair: expires_ms})
    await write(store, {SOFA: pair_row(1)})
    [index, empty] = await store.pair_index(LIVE, [ALICE, BOB])
    assert (set(index.stored), set(index.pending)) == ({LAMP, SOFA}, {chair})
    assert not empty.stored
    assert not empty.pending


async def test_a_stored_pair_can_be_marked_again_and_the_index_says_which_rows_are_outdated(store: Store) -> None:
    await write(store, {LAMP: pair_row(3), SOFA: pair_row(5)})
    await store.apply_activity([HistoryUpdate(ALICE, [HistoryEvent("e1", 1_000, 4, b"{}")])])
    expires_ms = now_ms() + MINUTE_MS
    assert await store.mark_pending(LIVE, ALICE, [LAMP], expires_ms) == [LAMP]
    [index, unknown] = await store.pair_index(LIVE, [ALICE, BOB])
    assert (index.rev, dict(index.stored), dict(index.pending)) == (5, {LAMP: 3, SOFA: 5}, {LAMP: expires_ms})
    assert (unknown.rev, dict(unknown.stored)) == (0, {})


async def test_pending_mark_ends_by_itself(store: Store) -> None:
    expires_ms = now_ms() + 50
    await store.mark_pending(LIVE, ALICE, [LAMP], expires_ms)

    async def marked_again() -> bool:
        return await store.mark_pending(LIVE, ALICE, [LAMP], expires_ms + MINUTE_MS) == [LAMP]

    await eventually(marked_again)


async def test_releases_do_not_share_pairs(store: Store) -> None:
    await write(store, {LAMP: pair_row(1)})
    found = await store.hydrate(STAGED, ALICE, [LAMP])
    assert (found.pair_rows, found.aggregate) == ([None], None)


async def test_aggregate_holds_every_pair_after_concurrent_writers(
    make_store: StoreMaker, redis_settings: object
) -> None:
    stores = [make_store(128)] * 4 if redis_settings is None else [make_store(128) for _ in range(4)]
    writers = [
        write(store, {ItemId(f"{number}-{step}"): pair_row(1, float(number))})
        for step in range(8)
        for number, store in enumerate(stores)
    ]
    assert sum(await asyncio.gather(*writers)) == 32
    assert await aggregate_value(stores[0]) == 1.5
