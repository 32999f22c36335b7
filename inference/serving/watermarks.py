"""How far the pipeline behind an answer is behind, from the agents' watermarks, read once a second."""

import asyncio
import logging

from cache.store import Store, StoreRefused, StoreUnavailable
from runtime.clock import Clock
from runtime.ids import UserId
from runtime.logs import kv
from streams.wire.partition import partition_of
from streams.wire.topics import TOPICS, Topic

log = logging.getLogger(__name__)

REFRESH_S = 1.0

_USER_PARTITIONS = TOPICS[Topic.USER_ACTIVITY].num_partitions
_ITEM_PARTITIONS = TOPICS[Topic.ITEM_UPDATES].num_partitions


class Watermarks:
    """The last known watermarks. While the store cannot be asked they stand still, and `behind_ms` grows with time."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._users: dict[int, int] = {}
        self._items_ms: int | None = None

    def behind_ms(self, user: UserId) -> int | None:
        """Now - the oldest of the user's own activity partition and all item partitions; None if one is missing."""
        user_ms = self._users.get(partition_of(user, _USER_PARTITIONS))
        if user_ms is None or self._items_ms is None:
            return None
        return max(self._clock.now_ms() - min(user_ms, self._items_ms), 0)

    def oldest_ms(self) -> int | None:
        """The oldest watermark of all partitions; None if one is missing."""
        if len(self._users) < _USER_PARTITIONS or self._items_ms is None:
            return None
        return min(*self._users.values(), self._items_ms)

    async def refresh(self) -> None:
        """Read them now; raises StoreUnavailable."""
        marks = await self._store.read_watermarks([Topic.USER_ACTIVITY, Topic.ITEM_UPDATES])
        items = marks.get(Topic.ITEM_UPDATES, {})
        self._users = dict(marks.get(Topic.USER_ACTIVITY, {}))
        self._items_ms = min(items.values()) if len(items) >= _ITEM_PARTITIONS else None

    async def run(self) -> None:
        """Refresh for ever."""
        while True:
            try:
                await self.refresh()
            except (StoreUnavailable, StoreRefused) as error:
                log.debug(kv("watermarks not read", error=error))
            await asyncio.sleep(REFRESH_S)
