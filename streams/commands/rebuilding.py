"""Filling the store from the topics, by the effects of the agents: what `rebuild` does, in order.

1. The release state, where the store has none, from the log of releases.
2. Who was active lately, from retrieval events.
3. Items: features, and rows for live and staged, and for previous where the state was restored. Of each item only its
   newest record; deletions that are more than a day old are forgotten (`item_log`).
4. Histories; rows only at the end, for those who are active. The others get theirs when retrieval next runs for them.
5. The epochs, when all of it is in.

Every effect is idempotent and ordered inside the store, so agents may run meanwhile, and a rebuild may be repeated.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from tqdm import tqdm

from cache.store import Store, StoreUnavailable
from inference.effects.items import apply_item_updates, forget_deletions
from inference.effects.users import ACTIVE_WINDOW_MS, apply_activity, refresh_stale, touch_users
from inference.release import Release
from inference.release_log import restored_state
from inference.watcher import ReleaseWatcher
from runtime.clock import now_ms
from runtime.ids import ItemId
from runtime.settings import KafkaSettings
from streams.agent.loop import AnyReceived, Effect, of_type
from streams.commands.item_log import ItemLog
from streams.wire.codec import Rejection, decode
from streams.wire.events import HISTORY_KINDS, Activity, ModelRelease, Retrieval
from streams.wire.reader import FromBeginning, FromTime, Reader, Start
from streams.wire.record import Received
from streams.wire.topics import Topic

T = TypeVar("T")

STORE_PATIENCE_S = 30.0  # how long a store that does not answer is asked again
USERS_AT_ONCE = 200
ITEMS_AT_ONCE = 500
LINE_EVERY_S = 5.0


@dataclass(slots=True)
class Rebuilt:
    """What a rebuild did: what was not there, and (`..._known`) what was there already.

    `rejected` and `failed` records are in the dead letters, if an agent has read them.
    """

    release_restored: str | None = None
    releases: list[str] = field(default_factory=list)
    records: dict[str, int] = field(default_factory=dict)
    items: int = 0
    items_known: int = 0
    deletions_forgotten: int = 0
    history_events: int = 0
    history_events_known: int = 0  # or older than what a history keeps
    user_rows: int = 0
    users_current: int = 0  # active, and need no row
    rejected: int = 0
    failed: int = 0
    seconds: float = 0.0

    @property
    def nothing_missing(self) -> bool:
        """Whether the store had all that the topics say."""
        return self.release_restored is None and not (self.items or self.history_events or self.user_rows)


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
        releases = watcher.loaded if self._result.release_restored else watcher.writable
        self._result.releases = [str(release.model_version) for release in releases]
        since = FromTime(now_ms() - ACTIVE_WINDOW_MS)
        await self._replay(Topic.RETRIEVAL_EVENTS, since, self._retrievals)
        await self._restore_items(releases, watcher)
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

    async def _restore_items(self, releases: Sequence[Release], watcher: ReleaseWatcher) -> None:
        with Reader(self._kafka, Topic.ITEM_UPDATES) as reader:
            ends = {partition: high for partition, (_, high) in reader.watermarks().items()}
        item_log = ItemLog(ends, now_ms())
        async for received in self._batches(Topic.ITEM_UPDATES, FromBeginning(), ends, counted=False):
            item_log.note(received)

        async def effect(received: Sequence[AnyReceived]) -> None:
            await self._items(releases, item_log, received)

        await self._replay(Topic.ITEM_UPDATES, FromBeginning(), effect, ends)
        known = await self._asked(self._store.scan_items)
        old = [(item, rev) for item, rev, features in known if features is None and item_log.may_forget(item, rev)]
        for first in range(0, len(old), ITEMS_AT_ONCE):
            part = old[first : first + ITEMS_AT_ONCE]
            self._result.deletions_forgotten += await self._asked(
                lambda part=part: forget_deletions(self._store, watcher.kept, part)  # type: ignore[misc]
            )

    async def _items(self, releases: Sequence[Release], item_log: ItemLog, received: Sequence[AnyReceived]) -> None:
        changes = item_log.newest(received)
        stored = await self._store.read_items([ItemId(one.event.item_id) for one in changes])
        wanted = [  # an old deletion matters only to who knows the item
            (one, entry is not None and entry[0] >= one.rev)
            for one, entry in zip(changes, stored, strict=True)
            if entry is not None or not item_log.is_old_deletion(one)
        ]
        await apply_item_updates(self._store, releases, [one for one, _ in wanted])
        num_known = sum(is_known for _, is_known in wanted)
        self._result.items += len(wanted) - num_known
        self._result.items_known += num_known

    async def _activity(self, received: Sequence[AnyReceived]) -> None:
        activity = of_type(received, Activity)
        changes = await apply_activity(self._store, [], activity, kept=[], now_ms=now_ms())
        num_events = sum(one.event.kind in HISTORY_KINDS for one in activity)
        self._result.history_events += changes.num_events
        self._result.history_events_known += num_events - changes.num_events

    async def _refresh(self, releases: Sequence[Release], watcher: ReleaseWatcher) -> None:
        users = await self._asked(lambda: self._store.active_users(now_ms() - ACTIVE_WINDOW_MS))
        for first in range(0, len(users), USERS_AT_ONCE):
            part = users[first : first + USERS_AT_ONCE]
            changes = await self._asked(
                lambda part=part: refresh_stale(self._store, releases, part, kept=watcher.kept)  # type: ignore[misc]
            )
            self._result.user_rows += len(changes.refreshed)
            self._result.users_current += len(part) - len(changes.refreshed)

    async def _replay(self, topic: Topic, start: Start, effect: Effect, ends: Mapping[int, int] | None = None) -> None:
        async for received in self._batches(topic, start, ends):
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

    async def _batches(
        self, topic: Topic, start: Start, ends: Mapping[int, int] | None = None, *, counted: bool = True
    ) -> AsyncIterator[list[AnyReceived]]:
        """Decoded records of a topic up to `ends`, by default its present ones; `counted` in the result."""
        with Reader(self._kafka, topic) as reader:
            marks = reader.watermarks()
            total = sum(high - low for low, high in marks.values()) if isinstance(start, FromBeginning) else None
            until = {p: high for p, (_, high) in marks.items()} if ends is None else ends
            said, num_read = time.monotonic(), 0
            with tqdm(total=total, desc=topic.value, unit="record", disable=not self._show_bar) as bar:
                batches = reader.read_batches(start, until=until)
                while (records := await asyncio.to_thread(next, batches, None)) is not None:
                    decoded = [(record, decode(topic, record)) for record in records]
                    received: list[AnyReceived] = [
                        Received(event, r.topic, r.partition, r.offset, r.append_time_ms)
                        for r, event in decoded
                        if not isinstance(event, Rejection)
                    ]
                    num_read += len(records)
                    if counted:
                        self._result.rejected += len(records) - len(received)
                        self._result.records[topic.value] = num_read
                    yield received
                    bar.update(len(records))
                    if not self._show_bar and time.monotonic() - said > LINE_EVERY_S:
                        said = time.monotonic()
                        self._say(f"{topic.value}: {num_read} of {total or '?'} records")

    async def _asked(self, call: Callable[[], Awaitable[T]]) -> T:
        deadline, said = time.monotonic() + STORE_PATIENCE_S, False
        while True:
            try:
                return await call()
            except StoreUnavailable as error:
                if error.reason == "permission" or time.monotonic() > deadline:
                    raise
                if not said:
                    self._say(f"waiting for the store, up to {STORE_PATIENCE_S:.0f} s: {error}")
                    said = True
                await asyncio.sleep(1.0)
