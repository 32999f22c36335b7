"""What the store ought to hold, worked out from the topics alone by the plainest code there is.

None of the product's effects, decoders or scripts is used here: a list for every user, a dictionary of items.
"""

import json
from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from streams.wire.record import Record

KINDS = ("click", "conversion", "rating")


@dataclass(slots=True)
class PlainHistory:
    """The newest `length` events of one user, by (time, id); the first payload under an id stays."""

    length: int
    rev: int = 0
    order: list[tuple[int, bytes]] = field(default_factory=list)  # oldest first
    payload_of: dict[bytes, bytes] = field(default_factory=dict)

    def add(self, event_id: bytes, time_ms: int, offset: int, payload: bytes) -> None:
        """One event, in the order of the log."""
        if event_id in self.payload_of:
            return
        insort(self.order, (time_ms, event_id))
        self.payload_of[event_id] = payload
        if len(self.order) > self.length:
            _, dropped = self.order.pop(0)
            del self.payload_of[dropped]
            if dropped == event_id:
                return
        self.rev = max(self.rev, offset + 1)

    @property
    def payloads(self) -> tuple[bytes, ...]:
        return tuple(self.payload_of[event_id] for _, event_id in self.order)

    @property
    def as_of_ms(self) -> int:
        return self.order[-1][0] if self.order else 0


@dataclass(frozen=True, slots=True)
class PlainItem:
    """The newest update of an item; `features` None: deleted."""

    rev: int
    features: dict[str, Any] | None  # Any: whatever stands in the JSON


def replay_activity(records: Iterable[Record], length: int) -> dict[str, PlainHistory]:
    """Histories by user, from activity records in the order of each partition."""
    histories: dict[str, PlainHistory] = {}
    for record in records:
        assert record.value is not None, "these benchmarks delete no activity"
        event = json.loads(record.value)
        if event["kind"] not in KINDS:
            continue
        fields = [event["item_id"], event["kind"], event.get("value"), event["event_time_ms"]]
        payload = json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()
        history = histories.setdefault(event["user_id"], PlainHistory(length))
        history.add(event["event_id"].encode(), event["event_time_ms"], record.offset, payload)
    return histories


def replay_items(records: Iterable[Record]) -> dict[str, PlainItem]:
    """The newest state of every item, by offset."""
    items: dict[str, PlainItem] = {}
    for record in records:
        assert record.key is not None, "an item update has a key"
        features = None if record.value is None else json.loads(record.value)["features"]
        items[record.key.decode()] = PlainItem(record.offset + 1, features)
    return items
