"""User rows, and who has been active."""

from cache.row import RowKind, encode_empty
from cache.store import Store, UserRowWrite
from runtime import clock
from runtime.ids import UserId
from tests.integration.cache.rows import ALICE, BOB, LIVE, MINUTE_MS, OTHER, STAGED, read, user_row, value_of
from tests.waiting import eventually

DAY_MS = 24 * 60 * MINUTE_MS


async def read_value(store: Store, user: UserId = ALICE) -> float | None:
    [found] = await store.read_user_rows(LIVE, [user])
    return value_of(found, RowKind.USER)


async def test_rows_of_all_models_are_stored_by_one_write(store: Store) -> None:
    write = UserRowWrite(ALICE, {LIVE: user_row(1), STAGED: user_row(1, 2.0, STAGED)})
    assert await store.write_user_rows([write], [LIVE, STAGED], MINUTE_MS) == 2
    [live, missing] = await store.read_user_rows(LIVE, [ALICE, BOB])
    [staged] = await store.read_user_rows(STAGED, [ALICE])
    assert (value_of(live, RowKind.USER), value_of(staged, RowKind.USER, STAGED), missing) == (1.0, 2.0, None)


async def test_greater_rev_wins_and_an_equal_one_is_written_again(store: Store) -> None:
    for rev, value, stored in [(5, 1.0, 1), (4, 2.0, 0), (5, 3.0, 1), (6, 4.0, 1)]:
        write = UserRowWrite(ALICE, {LIVE: user_row(rev, value)})
        assert await store.write_user_rows([write], [LIVE], MINUTE_MS) == stored
    assert await read_value(store) == 4.0


async def test_revs_of_many_digits_are_compared_exactly(store: Store) -> None:
    for rev, value in [((1 << 52) + 1, 1.0), (1 << 52, 2.0)]:
        await store.write_user_rows([UserRowWrite(ALICE, {LIVE: user_row(rev, value)})], [LIVE], MINUTE_MS)
    assert await read_value(store) == 1.0


async def test_store_writes_when_a_row_was_computed_and_when_it_expires(store: Store) -> None:
    before_ms = clock.now_ms()
    await store.write_user_rows([UserRowWrite(ALICE, {LIVE: user_row(7)})], [LIVE], MINUTE_MS)
    [found] = await store.read_user_rows(LIVE, [ALICE])
    decoded = read(found, RowKind.USER)
    assert before_ms - 1000 <= decoded.computed_ms[0] <= before_ms + 60_000
    assert decoded.expires_ms[0] == decoded.computed_ms[0] + MINUTE_MS
    assert decoded.rev[0] == 7


async def test_fields_that_are_no_longer_kept_are_dropped(store: Store) -> None:
    both = UserRowWrite(ALICE, {LIVE: user_row(1), OTHER: user_row(1, release=OTHER)})
    await store.write_user_rows([both], [LIVE, OTHER], MINUTE_MS)
    await store.write_user_rows([UserRowWrite(ALICE, {STAGED: user_row(1, release=STAGED)})], [STAGED, LIVE], MINUTE_MS)
    assert await store.read_user_rows(OTHER, [ALICE]) == [None]
    assert await read_value(store) == 1.0


async def test_rows_are_gone_after_their_time(store: Store) -> None:
    await store.write_user_rows([UserRowWrite(ALICE, {LIVE: user_row(1)})], [LIVE], 30)

    async def gone() -> bool:
        return await store.read_user_rows(LIVE, [ALICE]) == [None]

    await eventually(gone)


async def test_short_lived_row_does_not_shorten_the_life_of_another(store: Store) -> None:
    await store.write_user_rows([UserRowWrite(ALICE, {LIVE: user_row(1)})], [LIVE, STAGED], MINUTE_MS)
    negative = encode_empty(RowKind.USER, STAGED, rev=0, as_of_ms=0)
    await store.write_user_rows([UserRowWrite(ALICE, {STAGED: negative})], [LIVE, STAGED], 30)

    async def negative_answer_expired() -> bool:
        [found] = await store.read_user_rows(STAGED, [ALICE])
        return bool(read(found, RowKind.USER, STAGED, clock.now_ms()).expired[0])

    await eventually(negative_answer_expired)
    assert await read_value(store) == 1.0


async def test_activity_is_remembered_and_its_newest_time_stays(store: Store) -> None:
    now_ms = clock.now_ms()
    strange = UserId("~ {\u00e9}:%7E")
    await store.touch_active({ALICE: now_ms, strange: now_ms - 5})
    await store.touch_active({ALICE: now_ms - 500})
    assert await store.active_since([BOB, ALICE, strange], now_ms) == [False, True, False]
    assert sorted(await store.active_users(now_ms - 5)) == sorted([ALICE, strange])
    assert await store.active_users(now_ms + 1) == []


async def test_activity_of_more_than_a_day_ago_is_forgotten(store: Store) -> None:
    now_ms = clock.now_ms()
    await store.touch_active({ALICE: now_ms - DAY_MS - MINUTE_MS})
    assert await store.active_users(0) == []


async def test_nothing_asked_is_nothing_answered(store: Store) -> None:
    await store.touch_active({})
    assert await store.read_histories([]) == []
    assert await store.apply_activity([]) == []
    assert await store.write_user_rows([], [LIVE], 1) == 0
    assert await store.read_user_rows(LIVE, []) == []
    assert await store.active_since([], 0) == []
