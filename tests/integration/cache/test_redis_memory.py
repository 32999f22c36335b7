"""What Redis keeps, and for how long: nothing grows for ever, and eviction of one key of two is survived."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from cache import keys
from cache.redis_store import Profile, RedisStore
from cache.row import RowKind
from cache.store import ItemWrite, PairWrite, UserRowWrite
from runtime.clock import now_ms
from runtime.ids import ItemId, bucket_of
from runtime.settings import RedisSettings
from tests.integration.cache.calls import UPDATE
from tests.integration.cache.rows import (
    ALICE,
    LIVE,
    MINUTE_MS,
    item_row,
    items,
    no_item_row,
    pair_row,
    user_row,
    value_of,
)
from tests.waiting import eventually

pytestmark = pytest.mark.redis
LAMP, SOFA = items("lamp", "sofa")
ROWS, INDEX = keys.pair_rows(LIVE, ALICE), keys.pair_index(LIVE, ALICE)


@pytest.fixture
async def store(valkey_url: str, valkey: Redis) -> AsyncIterator[RedisStore]:
    """An empty store on the one server."""
    store = RedisStore.connect(RedisSettings(url=valkey_url), Profile.AGENT)
    yield store
    await store.close()


async def write_pair(store: RedisStore, item: ItemId, value: float = 1.0, ttl_ms: int = MINUTE_MS) -> None:
    await store.write_pairs(LIVE, [PairWrite(ALICE, {item: pair_row(1, value)})], ttl_ms)


async def test_only_histories_and_items_live_for_ever(store: RedisStore, valkey: Redis) -> None:
    await store.apply_activity([UPDATE])
    await store.write_items([ItemWrite(LAMP, 1, b"{}", {LIVE: item_row(1)})])
    await store.write_user_rows([UserRowWrite(ALICE, {LIVE: user_row(1)})], [LIVE], MINUTE_MS)
    await write_pair(store, LAMP)
    lasting = {key for key in await valkey.keys() if await valkey.pttl(key) == -1}
    bucket = bucket_of(LAMP)
    history = {keys.history(ALICE), keys.events(ALICE), keys.rev(ALICE)}
    expected = history | {keys.item_rows(LIVE, bucket), keys.item_features(bucket)}
    assert lasting == {key.encode() for key in expected}
    for key in (keys.user_rows(ALICE), ROWS, INDEX):
        assert MINUTE_MS / 2 < await valkey.pttl(key) <= MINUTE_MS


async def test_shorter_ttl_does_not_shorten_what_is_stored(store: RedisStore, valkey: Redis) -> None:
    await write_pair(store, LAMP)
    await write_pair(store, SOFA, ttl_ms=1000)
    await store.mark_pending(LIVE, ALICE, [ItemId("chair")], now_ms() + 1000)
    for key in (ROWS, INDEX):
        assert await valkey.pttl(key) > MINUTE_MS / 2


async def test_pending_marks_alone_expire(store: RedisStore, valkey: Redis) -> None:
    await store.mark_pending(LIVE, ALICE, [LAMP], now_ms() + MINUTE_MS)
    assert 0 < await valkey.pttl(INDEX) <= MINUTE_MS


async def test_negative_answers_are_removed_after_their_time(store: RedisStore, valkey: Redis) -> None:
    await store.write_items([ItemWrite(LAMP, 0, None, {LIVE: no_item_row(0)}, ttl_ms=1)])
    bucket = bucket_of(LAMP)
    neighbour = next(ItemId(str(n)) for n in range(10_000) if bucket_of(str(n)) == bucket)

    async def removed() -> bool:
        await store.write_items([ItemWrite(neighbour, 1, b"{}", {LIVE: item_row(1)})])
        return not await valkey.hexists(keys.item_rows(LIVE, bucket), LAMP)

    await eventually(removed)
    assert await valkey.exists(keys.item_negative(LIVE, bucket)) == 0


async def test_pair_rows_evicted_alone_are_not_fresh(store: RedisStore, valkey: Redis) -> None:
    await write_pair(store, LAMP)
    await valkey.delete(ROWS)
    [index] = await store.pair_index(LIVE, [ALICE])
    assert not index.stored
    assert await store.mark_pending(LIVE, ALICE, [LAMP], now_ms() + MINUTE_MS) == [LAMP]


async def test_pair_index_evicted_alone_takes_the_rows_with_it(store: RedisStore, valkey: Redis) -> None:
    await write_pair(store, LAMP, 1.0)
    await valkey.delete(INDEX)
    await write_pair(store, SOFA, 3.0)
    found = await store.hydrate(LIVE, ALICE, [LAMP, SOFA])
    assert found.pair_rows[0] is None
    assert value_of(found.aggregate, RowKind.AGGREGATE) == 3.0


async def test_aggregate_of_a_hash_that_was_evicted_meanwhile_is_not_stored(store: RedisStore, valkey: Redis) -> None:
    await write_pair(store, LAMP)
    before = await valkey.hget(ROWS, keys.WRITES_FIELD)
    await valkey.delete(ROWS, INDEX)
    await write_pair(store, SOFA)
    assert before is not None
    assert int(await valkey.hget(ROWS, keys.WRITES_FIELD) or 0) > int(before)
