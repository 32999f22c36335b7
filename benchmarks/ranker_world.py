"""What the ranker reads when its overhead is measured: one user, the candidates, and all of their rows in a Valkey."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import redis
import redis.asyncio

from benchmarks.releases import catalogue, make_live, write_release
from cache import keys
from cache.redis_store import Profile, RedisStore
from cache.store import HistoryEvent, HistoryUpdate, ItemWrite, PairWrite
from inference.effects.users import refresh_users
from inference.history import encode_event
from inference.item_row import ItemState, encode_item_rows
from inference.pair_row import encode_pair_rows
from runtime.clock import SystemClock
from runtime.ids import ItemId, ModelVersion, UserId, bucket_of
from runtime.settings import RedisSettings
from streams.wire.events import Activity
from streams.wire.topics import TOPICS, Topic

USER = UserId("user-7")
NUM_ITEMS = 2_000
HISTORY = 128
PAIR_SHARE = 2  # every second candidate has a pair row, the others get the user's aggregate
HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class RowReads:
    """The commands without which no ranker can do, in one pipeline; keys and fields are made beforehand."""

    commands: Sequence[tuple[str, ...]]

    @classmethod
    def of(cls, release: ModelVersion, user: UserId, items: Sequence[ItemId]) -> "RowReads":
        """The same reads as `RedisStore.hydrate`."""
        buckets: dict[int, list[str]] = {}
        for item in items:
            buckets.setdefault(bucket_of(item), []).append(keys.item_field(item))
        fields = [keys.item_field(item) for item in items]
        return cls(
            [
                ("GET", keys.rev(user)),
                ("HMGET", keys.user_rows(user), keys.release_field(release)),
                ("HMGET", keys.pair_rows(release, user), keys.AGGREGATE_FIELD.decode(), *fields),
                *(("HMGET", keys.item_rows(release, bucket), *found) for bucket, found in buckets.items()),
            ]
        )

    def asyncio_client(self, url: str) -> "redis.asyncio.Redis":
        return redis.asyncio.Redis.from_url(url, protocol=2)

    def blocking_client(self, url: str) -> "redis.Redis":
        return redis.Redis.from_url(url, protocol=2)

    async def run_asyncio(self, client: "redis.asyncio.Redis") -> list[Any]:  # Any: raw replies
        pipeline: Any = client.pipeline(transaction=False)  # Any: redis-py has types for half of it
        for command in self.commands:
            pipeline.execute_command(*command)
        return list(await pipeline.execute())

    def run_blocking(self, client: "redis.Redis") -> list[Any]:  # Any: raw replies
        pipeline: Any = client.pipeline(transaction=False)
        for command in self.commands:
            pipeline.execute_command(*command)
        return list(pipeline.execute())


@dataclass(frozen=True, slots=True)
class World:
    """The request, and the reads that its answer rests on."""

    body: bytes
    k: int
    reads: RowReads
    python: str = sys.executable

    def check(self, answer: bytes) -> dict[str, float]:
        """The stages' milliseconds; raises RuntimeError on an answer that is not the full one."""
        slate = orjson.loads(answer)
        whole = len(slate.get("items", ())) == self.k and not slate["degraded"] and slate["user"]["source"] == "direct"
        if not whole or {item["source"] for item in slate["items"]} != {"pair", "aggregate"}:
            raise RuntimeError(f"not the answer that was to be measured: {answer[:400]!r}")
        stages: dict[str, float] = slate["stages_ms"]
        return stages


async def fill(url: str, folder: Path, num_candidates: int, k: int) -> World:
    """Write a release and all the rows that a request of `num_candidates` reads."""
    items = catalogue(NUM_ITEMS)
    release = write_release(folder / "releases", items)
    version = release.model_version
    store = RedisStore.connect(RedisSettings(url=url), Profile.AGENT)
    try:
        await make_live(store, release, folder / "releases")
        candidates = list(items)[:: NUM_ITEMS // num_candidates][:num_candidates]
        states = [ItemState(item, features, 1, 1) for item, features in items.items()]
        rows = encode_item_rows(release, states)
        writes = [
            ItemWrite(s.item, s.rev, orjson.dumps(s.features), {version: row})
            for s, row in zip(states, rows, strict=True)
        ]
        await store.write_items(writes)
        await store.apply_activity([HistoryUpdate(USER, _clicks(list(items)))])
        [history] = await store.read_histories([USER])
        await refresh_users(store, [release], [history], kept=[version])
        paired = [(item, items[item]) for item in candidates[::PAIR_SHARE]]
        pairs = encode_pair_rows(release, history, paired)
        members = {item: row for (item, _), row in zip(paired, pairs, strict=True)}
        await store.write_pairs(version, [PairWrite(USER, members)], HOUR_MS)
        ahead_ms = SystemClock().now_ms() + HOUR_MS  # nobody writes watermarks here; nothing shall be degraded
        for topic in (Topic.USER_ACTIVITY, Topic.ITEM_UPDATES):
            await store.write_watermarks(topic, dict.fromkeys(range(TOPICS[topic].num_partitions), ahead_ms))
    finally:
        await store.close()
    offered = [{"item_id": item, "retrieval_score": 1 - n / 1000} for n, item in enumerate(candidates)]
    request = {"request_id": "r-1", "user_id": USER, "k": k, "deadline_ms": 10_000, "surface": "home"}
    return World(orjson.dumps(request | {"candidates": offered}), k, RowReads.of(version, USER, candidates))


def _clicks(items: Sequence[ItemId]) -> list[HistoryEvent]:
    now_ms = SystemClock().now_ms()
    events = []
    for n in range(HISTORY):
        time_ms = now_ms - (HISTORY - n) * 60_000
        click = Activity(
            event_id=f"click-{n}", event_time_ms=time_ms, user_id=USER, item_id=items[n], kind="click",
            request_id="r-0", position=0,
        )  # fmt: skip
        events.append(HistoryEvent(click.event_id, time_ms, n, encode_event(click)))
    return events
