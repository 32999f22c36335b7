"""What the item topic says in the end, of what it says on the way: for a rebuild, which reads it beside running agents.

An item that was deleted must not come back while its older updates are read again, so only the newest record of each
item counts. Kafka keeps a deletion for a day at least (`delete.retention.ms`), and then neither it nor what was before
it. The store forgets deletions of that age too: nobody has an older update left to write.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from runtime.ids import ItemId
from streams.agent.loop import AnyReceived, of_type
from streams.wire.codec import Tombstone
from streams.wire.events import ItemUpdate
from streams.wire.partition import partition_of
from streams.wire.record import Received
from streams.wire.topics import DAY_MS

ItemChange: TypeAlias = Received[ItemUpdate] | Received[Tombstone]


class ItemLog:
    """The newest record of each item, up to `ends` (offset after the last, by partition); `now_ms` is one moment."""

    def __init__(self, ends: Mapping[int, int], now_ms: int) -> None:
        self._ends = ends
        self._now_ms = now_ms
        self._newest: dict[str, int] = {}  # item -> offset; an item has one partition
        self._young: set[str] = set()  # deleted less than a day ago

    def note(self, received: Iterable[AnyReceived]) -> None:
        """These records come next, in the order of the topic."""
        for one in received:
            event = one.event
            if isinstance(event, ItemUpdate | Tombstone):
                self._newest[event.item_id] = one.offset
                if isinstance(event, Tombstone) and not self._is_old(one.append_time_ms):
                    self._young.add(event.item_id)
                else:
                    self._young.discard(event.item_id)

    def newest(self, received: Sequence[AnyReceived]) -> list[ItemChange]:
        """Those of the records that no later one of the same item replaces."""
        changes: list[ItemChange] = [*of_type(received, ItemUpdate), *of_type(received, Tombstone)]
        return [one for one in changes if self._newest.get(one.event.item_id) == one.offset]

    def is_old_deletion(self, one: ItemChange) -> bool:
        """Whether this is a deletion that nobody needs to remember."""
        return isinstance(one.event, Tombstone) and self._is_old(one.append_time_ms)

    def may_forget(self, item: ItemId, rev: int) -> bool:
        """Whether a deletion of this rev, which the store remembers, is more than a day old.

        One that the topic does not hold any more is; one that came after `ends` is not.
        """
        return item not in self._young and rev <= self._ends.get(partition_of(item, len(self._ends)), 0)

    def _is_old(self, append_time_ms: int) -> bool:
        return append_time_ms < self._now_ms - DAY_MS
