"""What the store in memory knows of one user: the rules that the scripts apply inside Redis."""

from bisect import insort
from dataclasses import dataclass, field

from cache.keys import encoded
from cache.limits import MAX_PAIRS
from cache.row import times_of
from cache.store import History, HistoryEvent
from runtime.ids import ItemId, UserId


@dataclass(slots=True)
class HistoryState:
    """One user's behaviour history."""

    rev: int = 0
    order: list[tuple[int, bytes]] = field(default_factory=list)  # (event time, event id), ascending
    payloads: dict[bytes, bytes] = field(default_factory=dict)

    def insert(self, event: HistoryEvent, length: int) -> bool:
        """Whether the event changed the history."""
        place = (event.event_time_ms, event.event_id.encode())
        if place[1] in self.payloads or (len(self.order) >= length and place < self.order[0]):
            return False
        insort(self.order, place)
        self.payloads[place[1]] = event.payload
        self.trim(length)
        self.rev = max(self.rev, event.offset + 1)
        return True

    def trim(self, length: int) -> None:
        while len(self.order) > length:
            del self.payloads[self.order.pop(0)[1]]

    def read(self, user: UserId) -> History:
        payloads = tuple(self.payloads[event_id] for _, event_id in self.order)
        return History(user, self.rev, payloads, self.order[-1][0] if self.order else 0)


@dataclass(slots=True)
class PairState:
    """One user's pairs for one release."""

    rows: dict[ItemId, bytes] = field(default_factory=dict)
    pending: dict[ItemId, int] = field(default_factory=dict)
    aggregate: bytes | None = None

    def drop_expired(self, now_ms: int) -> None:
        self.rows = {item: row for item, row in self.rows.items() if times_of(row)[1] > now_ms}
        self.pending = {item: expires_ms for item, expires_ms in self.pending.items() if expires_ms > now_ms}
        if not self.rows:
            self.aggregate = None

    def trim(self) -> None:
        by_expiry = sorted(self.rows, key=lambda item: (times_of(self.rows[item])[1], encoded(item)))
        for item in by_expiry[: max(len(self.rows) - MAX_PAIRS, 0)]:
            del self.rows[item]
