"""The store in memory: the twin of `cache.redis_store`, same semantics, one process, for tests.

The clock is passed in; every row's `computed_ms` and every expiry come from it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from cache.aggregate import aggregate_row
from cache.limits import ACTIVE_KEPT_MS, DEFAULT_HISTORY_LENGTH, check_history_length, check_row
from cache.memory_state import HistoryState, PairState
from cache.row import rev_of, stamped
from cache.store import (
    History,
    HistoryResult,
    HistoryUpdate,
    Hydrated,
    ItemWrite,
    PairIndex,
    PairWrite,
    ReleaseState,
    StoreUnavailable,
    UserRowWrite,
)
from runtime.clock import Clock, SystemClock
from runtime.ids import NUM_BUCKETS, ItemId, ModelVersion, UserId


class MemoryStore:
    """`cache.store.Store` in memory. Set `unavailable` to a reason to make every call raise StoreUnavailable."""

    def __init__(self, clock: Clock | None = None, history_length: int = DEFAULT_HISTORY_LENGTH) -> None:
        self.unavailable: str | None = None
        self._clock = clock or SystemClock()
        self._history_length = check_history_length(history_length)
        self._histories: defaultdict[UserId, HistoryState] = defaultdict(HistoryState)
        self._user_rows: dict[UserId, dict[ModelVersion, bytes]] = {}
        self._user_expiry: dict[UserId, int] = {}
        self._active: dict[UserId, int] = {}
        self._items: dict[ItemId, tuple[int, bytes | None]] = {}
        self._item_rows: defaultdict[ModelVersion, dict[ItemId, bytes]] = defaultdict(dict)
        self._pairs: defaultdict[tuple[ModelVersion, UserId], PairState] = defaultdict(PairState)
        self._releases: dict[str, ReleaseState] = {}
        self._ready: defaultdict[ModelVersion, dict[str, int]] = defaultdict(dict)
        self._watermarks: defaultdict[str, dict[int, int]] = defaultdict(dict)
        self._capacity: defaultdict[str, dict[str, tuple[float, int]]] = defaultdict(dict)  # worker -> per s, expiry
        self._epochs: dict[int, str] = {}

    # -- the request path

    async def hydrate(self, release: ModelVersion, user: UserId, items: Sequence[ItemId]) -> Hydrated:
        self._ask()
        pairs = self._live_pairs(release, user)
        return Hydrated(
            rev=self._histories[user].rev,
            user_row=self._user_row(release, user),
            item_rows=[self._item_rows[release].get(item) for item in items],
            pair_rows=[pairs.rows.get(item) for item in items],
            aggregate=pairs.aggregate,
        )

    async def read_watermarks(self, topics: Sequence[str]) -> dict[str, dict[int, int]]:
        self._ask()
        return {topic: dict(self._watermarks[topic]) for topic in topics}

    # -- users

    async def apply_activity(self, updates: Sequence[HistoryUpdate]) -> list[HistoryResult]:
        self._ask()
        results = []
        for update in updates:
            stored = self._histories[update.user]
            stored.trim(self._history_length)
            num_new = sum([stored.insert(event, self._history_length) for event in update.events])
            history = stored.read(update.user) if update.want_history else None
            results.append(HistoryResult(update.user, stored.rev, num_new, history))
        return results

    async def read_histories(self, users: Sequence[UserId]) -> list[History]:
        self._ask()
        return [self._histories[user].read(user) for user in users]

    async def write_user_rows(self, writes: Sequence[UserRowWrite], kept: Sequence[ModelVersion], ttl_ms: int) -> int:
        self._ask()
        now_ms, num_stored = self._clock.now_ms(), 0
        for write in writes:
            rows = self._live_user_rows(write.user)
            stored = {
                release: stamped(check_row(row), now_ms, now_ms + ttl_ms)
                for release, row in write.rows.items()
                if rev_of(row) >= rev_of(rows.get(release))
            }
            left = {release: row for release, row in rows.items() if release in kept or release in write.rows}
            self._user_rows[write.user] = left | stored
            if stored:
                self._user_expiry[write.user] = max(now_ms + ttl_ms, self._user_expiry.get(write.user, 0))
            num_stored += len(stored)
        return num_stored

    async def read_user_rows(self, release: ModelVersion, users: Sequence[UserId]) -> list[bytes | None]:
        self._ask()
        return [self._user_row(release, user) for user in users]

    async def touch_active(self, users: Mapping[UserId, int]) -> None:
        self._ask()
        oldest = self._clock.now_ms() - ACTIVE_KEPT_MS
        touched = self._active | {user: max(ms, self._active.get(user, 0)) for user, ms in users.items()}
        self._active = {user: ms for user, ms in touched.items() if ms >= oldest}

    async def active_since(self, users: Sequence[UserId], since_ms: int) -> list[bool]:
        self._ask()
        return [self._active.get(user, -1) >= since_ms for user in users]

    async def active_users(self, since_ms: int) -> list[UserId]:
        self._ask()
        return [user for user, ms in self._active.items() if ms >= since_ms]

    # -- items

    async def write_items(self, writes: Sequence[ItemWrite]) -> int:
        self._ask()
        now_ms, num_stored = self._clock.now_ms(), 0
        for write in writes:
            rev, features = self._items.get(write.item, (-1, None))
            if write.rev < rev or (write.ttl_ms is not None and features is not None):
                continue
            expires_ms = 0 if write.ttl_ms is None else now_ms + write.ttl_ms
            for release, row in write.rows.items():
                self._item_rows[release][write.item] = stamped(check_row(row), now_ms, expires_ms)
            if write.ttl_ms is None:
                self._items[write.item] = (write.rev, write.features)
            else:
                self._items.pop(write.item, None)
            num_stored += 1
        return num_stored

    async def read_item_features(self, items: Sequence[ItemId]) -> list[bytes | None]:
        self._ask()
        return [self._items.get(item, (0, None))[1] for item in items]

    async def read_items(self, items: Sequence[ItemId]) -> list[tuple[int, bytes | None] | None]:
        self._ask()
        return [self._items.get(item) for item in items]

    async def read_item_rows(self, release: ModelVersion, items: Sequence[ItemId]) -> list[bytes | None]:
        self._ask()
        return [self._item_rows[release].get(item) for item in items]

    async def scan_items(self) -> list[tuple[ItemId, int, bytes | None]]:
        self._ask()
        return [(item, rev, features) for item, (rev, features) in self._items.items()]

    # -- pairs

    async def write_pairs(self, release: ModelVersion, writes: Sequence[PairWrite], ttl_ms: int) -> int:
        self._ask()
        now_ms, num_stored = self._clock.now_ms(), 0
        for write in writes:
            pairs = self._live_pairs(release, write.user)
            for item, row in write.rows.items():
                pairs.pending.pop(item, None)
                if rev_of(check_row(row)) >= rev_of(pairs.rows.get(item)):
                    pairs.rows[item] = stamped(row, now_ms, now_ms + ttl_ms)
                    num_stored += 1
            pairs.trim()
            pairs.aggregate = aggregate_row(release, list(pairs.rows.values()))
        return num_stored

    async def mark_pending(
        self, release: ModelVersion, user: UserId, items: Sequence[ItemId], expires_ms: int
    ) -> list[ItemId]:
        self._ask()
        pairs = self._live_pairs(release, user)
        marked = []
        for item in items:
            if item not in pairs.pending:
                pairs.pending[item] = expires_ms
                marked.append(item)
        return marked

    async def pair_index(self, release: ModelVersion, users: Sequence[UserId]) -> list[PairIndex]:
        self._ask()
        found = [(self._histories[user].rev, self._live_pairs(release, user)) for user in users]
        return [PairIndex(rev, {i: rev_of(row) for i, row in p.rows.items()}, dict(p.pending)) for rev, p in found]

    # -- releases

    async def read_release(self, model: str) -> ReleaseState:
        self._ask()
        return self._releases.get(model, ReleaseState())

    async def change_release(self, model: str, expected: ReleaseState, new: ReleaseState) -> bool:
        self._ask()
        now = self._releases.get(model, ReleaseState())
        if (now.live, now.staged, now.previous) != (expected.live, expected.staged, expected.previous):
            return False
        self._releases[model] = new
        return True

    async def acknowledge(self, release: ModelVersion, ranker: str, now_ms: int) -> None:
        self._ask()
        self._ready[release][ranker] = max(now_ms, self._ready[release].get(ranker, 0))

    async def acknowledged(self, release: ModelVersion, since_ms: int) -> list[str]:
        self._ask()
        return [ranker for ranker, seen_ms in self._ready[release].items() if seen_ms >= since_ms]

    async def drop_version(self, release: ModelVersion) -> None:
        self._ask()
        self._item_rows.pop(release, None)
        self._ready.pop(release, None)

    # -- bookkeeping

    async def write_watermarks(self, topic: str, partitions: Mapping[int, int]) -> None:
        self._ask()
        stored = self._watermarks[topic]
        stored.update({p: ms for p, ms in partitions.items() if ms > stored.get(p, -1)})

    async def publish_capacity(self, name: str, worker: str, per_s: float, ttl_ms: int) -> None:
        self._ask()
        self._capacity[name][worker] = (per_s, self._clock.now_ms() + ttl_ms)

    async def read_capacity(self, name: str) -> float:
        self._ask()
        return sum(per_s for per_s, expires_ms in self._capacity[name].values() if expires_ms > self._clock.now_ms())

    async def set_epochs(self, value: str) -> None:
        self._ask()
        self._epochs = dict.fromkeys(range(NUM_BUCKETS), value)

    async def missing_epochs(self) -> list[int]:
        self._ask()
        return [bucket for bucket in range(NUM_BUCKETS) if bucket not in self._epochs]

    async def ping(self) -> None:
        self._ask()

    async def close(self) -> None:
        """Nothing to release."""

    def _ask(self) -> None:
        if self.unavailable is not None:
            raise StoreUnavailable(self.unavailable, "set by the test")

    def _live_user_rows(self, user: UserId) -> dict[ModelVersion, bytes]:
        return self._user_rows.get(user, {}) if self._user_expiry.get(user, 0) > self._clock.now_ms() else {}

    def _user_row(self, release: ModelVersion, user: UserId) -> bytes | None:
        return self._live_user_rows(user).get(release)

    def _live_pairs(self, release: ModelVersion, user: UserId) -> PairState:
        pairs = self._pairs[release, user]
        pairs.drop_expired(self._clock.now_ms())
        return pairs
