"""What the calls of the Redis store cost: `python -m benchmarks.store_calls`.

One caller, one Valkey on loopback; p50 and p99 in ms. The bare pipeline is what hydration cannot do without: one
pipeline with the same reads, without making keys, sorting into buckets and decoding.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
from redis.asyncio import Redis

from cache import keys
from cache.redis_backend.buckets import Buckets
from cache.redis_store import Profile, RedisStore
from cache.row import RowKind, decode_rows, encode_rows
from cache.store import HistoryEvent, HistoryUpdate, ItemWrite, PairWrite, UserRowWrite
from local.valkey import running_valkey
from runtime.ids import ItemId, ModelVersion, UserId
from runtime.settings import RedisSettings

RELEASE = ModelVersion("main", "v1")
WIDTH = 64
NUM_CANDIDATES = 500
WARM_UP, RUNS = 20, 300
USER = UserId("user-7")
ITEMS = [ItemId(f"item-{number}") for number in range(NUM_CANDIDATES)]
HOUR_MS = 3_600_000

Call = Callable[[], Awaitable[object]]


def rows(kind: RowKind, num_rows: int, width: int = WIDTH) -> list[bytes]:
    values = np.random.default_rng(7).normal(size=(num_rows, width)).astype(np.float32)
    return encode_rows(kind, RELEASE, values, rev=[1] * num_rows, as_of_ms=[1] * num_rows)


async def measure(name: str, call: Call, runs: int = RUNS) -> None:
    """Print the times of a call, warm-up excluded."""
    times = []
    for run in range(WARM_UP + runs):
        started = time.perf_counter()
        await call()
        if run >= WARM_UP:
            times.append(1000 * (time.perf_counter() - started))
    p50, p99 = np.percentile(times, [50, 99])
    print(f"{name:<52} p50 {p50:8.3f}  p99 {p99:8.3f}")


async def fill(store: RedisStore) -> None:
    await store.apply_activity([HistoryUpdate(USER, [HistoryEvent(str(n), n, n, b"x" * 60) for n in range(128)])])
    await store.write_user_rows([UserRowWrite(USER, {RELEASE: rows(RowKind.USER, 1, 1024)[0]})], [RELEASE], HOUR_MS)
    item_rows = rows(RowKind.ITEM, NUM_CANDIDATES)
    await store.write_items([ItemWrite(i, 1, b"{}", {RELEASE: r}) for i, r in zip(ITEMS, item_rows, strict=True)])
    await store.write_pairs(RELEASE, [PairWrite(USER, dict(zip(ITEMS, rows(RowKind.PAIR, 500), strict=True)))], HOUR_MS)


async def run(url: str) -> None:
    store = RedisStore.connect(RedisSettings(url=url), Profile.AGENT)
    client: Redis = Redis.from_url(url, protocol=2)
    await fill(store)
    buckets = [(keys.item_rows(RELEASE, b), [ITEMS[i] for i in p]) for b, p in Buckets(ITEMS).positions.items()]
    pair_key, pair_rows = keys.pair_rows(RELEASE, USER), rows(RowKind.PAIR, 32)
    offset = iter(range(1000, 1 << 40))

    async def bare() -> None:
        pipeline = client.pipeline(transaction=False)
        pipeline.execute_command("HGET", keys.user_rows(USER), str(RELEASE))
        for key, fields in buckets:
            pipeline.execute_command("HMGET", key, *fields)
        pipeline.execute_command("HMGET", pair_key, "~", *ITEMS)
        await pipeline.execute()

    async def hydrate_and_decode() -> None:
        found = await store.hydrate(RELEASE, USER, ITEMS)
        _ = decode_rows(found.item_rows, RowKind.ITEM, RELEASE, WIDTH, 0).values
        _ = decode_rows(found.pair_rows, RowKind.PAIR, RELEASE, WIDTH, 0).values

    async def decode() -> None:
        _ = decode_rows(item_rows, RowKind.ITEM, RELEASE, WIDTH, 0).values

    async def activity(num_users: int) -> None:
        updates = []
        for user in range(num_users):
            at = next(offset)
            updates.append(HistoryUpdate(UserId(f"u{user}"), [HistoryEvent(f"event-{at}", at, at, b"x" * 60)]))
        await store.apply_activity(updates)

    item_rows = (await store.hydrate(RELEASE, USER, ITEMS)).item_rows
    write = PairWrite(USER, dict(zip(ITEMS[:32], pair_rows, strict=True)))
    small = [PairWrite(UserId(f"p{n}"), write.rows) for n in range(32)]
    await measure(f"bare pipeline, {NUM_CANDIDATES} candidates", bare)
    await measure("hydrate", lambda: store.hydrate(RELEASE, USER, ITEMS))
    await measure("hydrate, items and pairs decoded", hydrate_and_decode)
    await measure(f"decode {NUM_CANDIDATES} rows of {WIDTH}", decode)
    await measure("write 32 pairs beside 500, aggregate remade", lambda: store.write_pairs(RELEASE, [write], HOUR_MS))
    await measure(
        "write 32 pairs of 32 users, aggregates remade", lambda: store.write_pairs(RELEASE, small, HOUR_MS), 50
    )
    await measure("1000 events of 1000 users into histories", lambda: activity(1000), 50)
    await measure("read one history of 128", lambda: store.read_histories([USER]))
    await client.aclose()
    await store.close()


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="solaris-bench-") as folder, running_valkey(Path(folder)) as server:
        asyncio.run(run(server.url))


if __name__ == "__main__":
    main()
