"""Filling the store from the topics, by the effects of the agents: what `rebuild` does, in order.

1. The release state, where the store has none, from the log of releases.
2. Who was active lately, from retrieval events.
3. Items: features, and rows for live and staged.
4. Histories; rows only at the end, for those who are active. The others get theirs when retrieval next runs for them.
5. The epochs, when all of it is in.

Every effect is idempotent and ordered inside the store, so agents may run meanwhile, and a rebuild may be repeated.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from tqdm import tqdm

from cache.store import Store, StoreUnavailable
from inference.effects.items import apply_item_updates
from inference.effects.users import ACTIVE_WINDOW_MS, apply_activity, refresh_stale, touch_users
from inference.release import Release
from inference.release_log import restored_state
from inference.watcher import ReleaseWatcher
from runtime.clock import now_ms
from runtime.settings import KafkaSettings
from streams.agent.loop import AnyReceived, Effect, of_type
from streams.wire.codec import Rejection, Tombstone, decode
from streams.wire.events import Activity, ItemUpdate, ModelRelease, Retrieval
from streams.wire.reader import FromBeginning, FromTime, Reader, Start
from streams.wire.record import Received
from streams.wire.topics import Topic

T = TypeVar("T")

STORE_PATIENCE_S = 30.0  # how long a store that does not answer is asked again
USERS_AT_ONCE = 200
LINE_EVERY_S = 5.0


@dataclass(slots=True)
class Rebuilt:
    """What a rebuild did. `rejected` and `failed` records are in the dead letters, if an agent has read them."""

    release_restored: str | None = None
    releases: list[str] = field(default_factory=list)
    records: dict[str, int] = field(default_factory=dict)
    items: int = 0
    history_events: int = 0
    user_rows: int = 0
    rejected: int = 0
    failed: int = 0
    seconds: float = 0.0


class Rebuild:
    """One run; `show_bar`: a progress bar, else plain lines through `say`."""

    def __init__(
        self, store: Store, kafka: KafkaSettings, model: str, *, say: Callable[[str], None], show_bar: bool
    ) -> None:
        self._store = store
        self._kafka = kafka
        self._model = model
        self._say = say
        self._show_bar = show_bar
        self._result = Rebuilt()

    async def run(self) -> Rebuilt:
        """Raises ReaderError, and StoreUnavailable when the store stays away."""
        started = time.monotonic()
        await self._restore_release()
        watcher = ReleaseWatcher(self._store, self._model)
        await self._asked(watcher.refresh)
        releases = watcher.writable
        self._result.releases = [str(release.model_version) for release in releases]
        since = FromTime(now_ms() - ACTIVE_WINDOW_MS)
        await self._replay(Topic.RETRIEVAL_EVENTS, since, self._retrievals)
        await self._replay(Topic.ITEM_UPDATES, FromBeginning(), lambda received: self._items(releases, received))
        await self._replay(Topic.USER_ACTIVITY, FromBeginning(), self._activity)
        await self._refresh(releases, watcher)
        await self._asked(lambda: self._store.set_epochs(str(now_ms())))
        watcher.close()
        self._result.seconds = round(time.monotonic() - started, 3)
        return self._result

    async def _restore_release(self) -> None:
        state = await self._asked(lambda: self._store.read_release(self._model))
        if state.live is not None:
            return
        events: list[ModelRelease] = []
        async for batch in self._batches(Topic.MODEL_RELEASES, FromBeginning()):
            events += [one.event for one in batch if isinstance(one.event, ModelRelease)]
        restored = restored_state([event for event in events if event.model == self._model])
        if restored.live is None:
            return
        if await self._asked(lambda: self._store.change_release(self._model, state, restored)):
            self._result.release_restored = restored.live

    async def _retrievals(self, received: Sequence[AnyReceived]) -> None:
        await touch_users(self._store, of_type(received, Retrieval))

    async def _items(self, releases: Sequence[Release], received: Sequence[AnyReceived]) -> None:
        updates, deletions = of_type(received, ItemUpdate), of_type(received, Tombstone)
        changes: list[Received[ItemUpdate] | Received[Tombstone]] = [*updates, *deletions]
        self._result.items += await apply_item_updates(self._store, releases, changes)

    async def _activity(self, received: Sequence[AnyReceived]) -> None:
        changes = await apply_activity(self._store, [], of_type(received, Activity), kept=[], now_ms=now_ms())
        self._result.history_events += changes.num_events

    async def _refresh(self, releases: Sequence[Release], watcher: ReleaseWatcher) -> None:
        users = await self._asked(lambda: self._store.active_users(now_ms() - ACTIVE_WINDOW_MS))
        for first in range(0, len(users), USERS_AT_ONCE):
            part = users[first : first + USERS_AT_ONCE]
            changes = await self._asked(
                lambda part=part: refresh_stale(self._store, releases, part, kept=watcher.kept)  # type: ignore[misc]
            )
            self._result.user_rows += len(changes.refreshed)

    async def _replay(self, topic: Topic, start: Start, effect: Effect) -> None:
        async for received in self._batches(topic, start):
            try:
                await self._asked(lambda received=received: effect(received))  # type: ignore[misc]
            except StoreUnavailable:
                raise
            except Exception:  # as in the agents: each record alone, so that one of them spoils nothing
                for one in received:
                    try:
                        await self._asked(lambda one=one: effect([one]))  # type: ignore[misc]
                    except StoreUnavailable:
                        raise
                    except Exception:
                        self._result.failed += 1

    async def _batches(self, topic: Topic, start: Start) -> AsyncIterator[list[AnyReceived]]:
        """Decoded records of a topic up to its present end."""
        with Reader(self._kafka, topic) as reader:
            marks = reader.watermarks()
            total = sum(high - low for low, high in marks.values()) if isinstance(start, FromBeginning) else None
            said = time.monotonic()
            with tqdm(total=total, desc=topic.value, unit="record", disable=not self._show_bar) as bar:
                batches = reader.read_batches(start, until={p: high for p, (_, high) in marks.items()})
                while (records := await asyncio.to_thread(next, batches, None)) is not None:
                    decoded = [(record, decode(topic, record)) for record in records]
                    received: list[AnyReceived] = [
                        Received(event, r.topic, r.partition, r.offset, r.append_time_ms)
                        for r, event in decoded
                        if not isinstance(event, Rejection)
                    ]
                    self._result.rejected += len(records) - len(received)
                    self._result.records[topic.value] = self._result.records.get(topic.value, 0) + len(records)
                    yield received
                    bar.update(len(records))
                    if not self._show_bar and time.monotonic() - said > LINE_EVERY_S:
                        said = time.monotonic()
                        self._say(f"{topic.value}: {self._result.records[topic.value]} of {total or '?'} records")

    async def _asked(self, call: Callable[[], Awaitable[T]]) -> T:
        deadline = time.monotonic() + STORE_PATIENCE_S
        while True:
            try:
                return await call()
            except StoreUnavailable as error:
                if error.reason == "permission" or time.monotonic() > deadline:
                    raise
                self._say(f"waiting for the store: {error}")
                await asyncio.sleep(1.0)
