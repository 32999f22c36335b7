"""A ranker over the in-memory store and a small untrained release: everything real but the sockets and Kafka."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson

from cache.memory import MemoryStore
from cache.store import HistoryEvent, HistoryUpdate, ItemWrite, PairWrite, ReleaseState, UserRowWrite
from inference.history import encode_event
from inference.item_row import ItemState, encode_item_rows
from inference.pair_row import encode_pair_rows
from inference.release import Release, load_release
from inference.serving.app import RankerApp
from inference.serving.reporter import MemorySink
from inference.serving.settings import RankerSettings
from inference.training.untrained import untrained_release
from inference.user_row import encode_user_rows
from runtime.clock import SystemClock
from runtime.ids import ItemId, UserId
from streams.wire.events import Activity
from streams.wire.topics import TOPICS, Topic
from tests.unit.inference.releases import ITEMS

MODEL = "main"
USER = UserId("user-1")
LONG_DEADLINE_MS = 20_000  # this machine may be busy; tests of deadlines name their own


@dataclass
class World:
    """One ranker and what is around it."""

    store: MemoryStore
    sink: MemorySink
    app: RankerApp
    client: httpx.AsyncClient
    release: Release

    async def rank(self, **fields: Any) -> httpx.Response:  # Any: whatever a test wants to send
        """POST /v1/rank with sensible defaults for what is not named."""
        body = {"request_id": "r1", "user_id": USER, "k": 5, "deadline_ms": LONG_DEADLINE_MS} | fields
        body.setdefault("candidates", candidates())
        return await self.client.post("/v1/rank", content=orjson.dumps(body))

    async def answer(self, **fields: Any) -> dict[str, Any]:
        """The answer to such a request, which must be a 200."""
        response = await self.rank(**fields)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def sent(self, topic: str) -> list[Any]:
        """Events handed to the sink so far."""
        self.app.reporter.drain()
        return [event for sent_to, _, event in self.sink.sent if sent_to == topic]

    async def fill_items(self, items: Sequence[str] = tuple(ITEMS)) -> None:
        """Item rows, as item inference writes them."""
        states = [ItemState(ItemId(item), ITEMS[ItemId(item)], 1, 1_000) for item in items]
        rows = encode_item_rows(self.release, states)
        version = self.release.model_version
        await self.store.write_items(
            [
                ItemWrite(state.item, state.rev, orjson.dumps(state.features), {version: row})
                for state, row in zip(states, rows, strict=True)
            ]
        )

    async def lose_items(self, items: Sequence[str]) -> None:
        """Negative answers, as item inference writes them for what it looked up and did not find."""
        states = [ItemState(ItemId(item), None, 0, 0) for item in items]
        rows, version = encode_item_rows(self.release, states), self.release.model_version
        await self.store.write_items(
            [
                ItemWrite(state.item, 0, None, {version: row}, ttl_ms=60_000)
                for state, row in zip(states, rows, strict=True)
            ]
        )

    async def click(self, item: str, offset: int = 0, user: UserId = USER, time_ms: int | None = None) -> int:
        """One click in the user's history, without a refresh of the row; returns its time."""
        time_ms = SystemClock().now_ms() if time_ms is None else time_ms
        event = Activity(
            event_id=f"{user}-{offset}", event_time_ms=time_ms, user_id=user, item_id=item, kind="click",
            request_id="r0", position=0,
        )  # fmt: skip
        stored = HistoryEvent(event.event_id, time_ms, offset, encode_event(event))
        await self.store.apply_activity([HistoryUpdate(user, [stored])])
        return time_ms

    async def refresh_user(self, user: UserId = USER) -> None:
        """The user's row, as user refresh writes it."""
        row = encode_user_rows(self.release, await self.store.read_histories([user]))[0]
        version = self.release.model_version
        await self.store.write_user_rows([UserRowWrite(user, {version: row})], [version], 3_600_000)

    async def fill_pairs(self, items: Sequence[str], user: UserId = USER) -> None:
        """Pair rows, as pair inference writes them."""
        history = (await self.store.read_histories([user]))[0]
        named = [(ItemId(item), ITEMS[ItemId(item)]) for item in items]
        rows = encode_pair_rows(self.release, history, named)
        write = PairWrite(user, {item: row for (item, _), row in zip(named, rows, strict=True)})
        await self.store.write_pairs(self.release.model_version, [write], 3_600_000)

    async def mark_caught_up(self, behind_ms: int = 0) -> None:
        """Watermarks of every partition."""
        now_ms = SystemClock().now_ms() - behind_ms
        for topic in (Topic.USER_ACTIVITY, Topic.ITEM_UPDATES):
            await self.store.write_watermarks(topic, dict.fromkeys(range(TOPICS[topic].num_partitions), now_ms))
        await self.app.watermarks.refresh()


def candidates(items: Sequence[str] = tuple(ITEMS)) -> list[dict[str, Any]]:
    """Candidates with falling retrieval scores."""
    return [{"item_id": item, "retrieval_score": 1.0 - index / 1000} for index, item in enumerate(items)]


def entry(location: Path, sha256: str) -> str:
    """What the store says of a version."""
    return json.dumps({"location": str(location), "sha256": sha256})


def publish(folder: Path, version: str = "v1", seed: int = 0) -> tuple[Release, str]:
    """The untrained bundle of this version in `folder`, written if it is not there, and its entry."""
    location = folder / version
    if not location.exists():
        untrained_release(location, ITEMS, version=version, seed=seed)
    release = load_release(location)
    return release, entry(location, release.sha256)


@asynccontextmanager
async def running_world(
    folder: Path, settings: RankerSettings | None = None, store: MemoryStore | None = None
) -> AsyncIterator[World]:
    """A started ranker with the live release `folder/v1`, no rows and no watermarks."""
    release, stated = publish(folder)
    store = store or MemoryStore()
    await store.change_release(MODEL, ReleaseState(), ReleaseState(live="v1", entries={"v1": stated}))
    sink = MemorySink()
    app = RankerApp(store, sink, MODEL, settings or RankerSettings(name="ranker-1"))
    tasks = await app.start()
    transport = httpx.ASGITransport(app.asgi())
    async with httpx.AsyncClient(transport=transport, base_url="http://ranker") as client:
        try:
            yield World(store, sink, app, client, release)
        finally:
            await app.stop(tasks)
