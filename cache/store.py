"""What the store promises. Two implementations, one test suite: `cache.memory` and `cache.redis_store`.

Every write is idempotent and its order is decided inside the store (one atomic step per key slot), never by the
caller: duplicates, reordering and zombies are harmless. Rows are opaque bytes here (`cache.row` makes them); the store
reads only `rev` and writes only `computed_ms` and `expires_ms` in their header.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from runtime.ids import ItemId, ModelVersion, UserId
from runtime.unreachable import Failing, Server, Unreachable

_FAILING = dict.fromkeys(("loading", "readonly", "oom"), Failing.UNFIT) | {"permission": Failing.REFUSES}


class StoreUnavailable(Unreachable):
    """The store cannot be asked now (down, timed out, loading, read-only, out of memory, not permitted to us).

    Try again later. `reason` is a short label fit for a metric: connection, timeout, loading, readonly, clusterdown,
    oom, permission.
    """

    server = Server.REDIS

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"store unavailable ({reason}){': ' + detail if detail else ''}")
        self.reason = reason
        self.cause = detail or reason
        self.failing = _FAILING.get(reason, Failing.AWAY)


class StoreRefused(Exception):
    """The store answered, and refused this call for its own sake (a key of the wrong type); asking again is useless."""


@dataclass(frozen=True, slots=True)
class HistoryEvent:
    """One activity record on its way into a history; `offset` is its place in its partition of the log."""

    event_id: str
    event_time_ms: int
    offset: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class HistoryUpdate:
    """Events of one user, in log order. `want_history`: return the history after the update."""

    user: UserId
    events: Sequence[HistoryEvent]
    want_history: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """A user's behaviour: the newest L events, oldest first, by (event time, event id).

    `rev` is offset + 1 of the newest record that changed it, 0 if there never was one; it names a prefix of the log.
    """

    user: UserId
    rev: int
    payloads: tuple[bytes, ...]
    as_of_ms: int  # event time of the newest event, 0 without one


@dataclass(frozen=True, slots=True)
class HistoryResult:
    """`num_new` events changed the history; `history` is None unless it was wanted."""

    user: UserId
    rev: int
    num_new: int
    history: History | None


@dataclass(frozen=True, slots=True)
class UserRowWrite:
    """Rows of one user, one per model version; one write stores them all."""

    user: UserId
    rows: Mapping[ModelVersion, bytes]


@dataclass(frozen=True, slots=True)
class ItemWrite:
    """One item after an update: its features as JSON bytes (None: deleted, or unknown), its row per model version.

    `rev` is offset + 1 of the update; the greater wins, an equal one is written again. A deletion has rows of width
    zero. `ttl_ms` is set for negative answers alone: of rev 0 for an item that nobody has heard of, of a deletion's rev
    to forget the deletion. They never replace a known item.
    """

    item: ItemId
    rev: int
    features: bytes | None
    rows: Mapping[ModelVersion, bytes]
    ttl_ms: int | None = None


@dataclass(frozen=True, slots=True)
class PairWrite:
    """Pair rows of one user for one release. The greater (rev, computed_ms) wins, pair by pair."""

    user: UserId
    rows: Mapping[ItemId, bytes]


@dataclass(frozen=True, slots=True)
class PairIndex:
    """What is known of a user's pairs, beside the rev of the user's history now.

    A stored row with a smaller rev does not include what the user did since.
    """

    rev: int
    stored: Mapping[ItemId, int]  # item -> rev of its unexpired row
    pending: Mapping[ItemId, int]  # item -> when its pending mark expires, in ms


@dataclass(frozen=True, slots=True)
class Hydrated:
    """What one request needs, in one round trip; None where there is nothing. Lists follow the request."""

    rev: int  # of the user's history now
    user_row: bytes | None
    item_rows: list[bytes | None]
    pair_rows: list[bytes | None]
    aggregate: bytes | None


@dataclass(frozen=True, slots=True)
class ReleaseState:
    """Which versions of a model are in use. `entries` maps version -> JSON of location, sha256 and times."""

    live: str | None = None
    staged: str | None = None
    previous: str | None = None
    entries: Mapping[str, str] = field(default_factory=dict)

    @property
    def writable(self) -> tuple[str, ...]:
        """Versions that agents write rows for: live and staged."""
        return tuple(v for v in (self.live, self.staged) if v)

    @property
    def kept(self) -> tuple[str, ...]:
        """Versions whose rows stay: live, staged and previous."""
        return tuple(v for v in (self.live, self.staged, self.previous) if v)


class Store(Protocol):
    """Async, one instance a process. Every call raises StoreUnavailable or does all of its work."""

    # -- the request path: reads only, no retries
    async def hydrate(self, release: ModelVersion, user: UserId, items: Sequence[ItemId]) -> Hydrated: ...

    async def read_watermarks(self, topics: Sequence[str]) -> dict[str, dict[int, int]]:
        """Per topic and partition, the append time (ms) up to which all effects are in; missing ones are absent."""
        ...

    # -- users
    async def apply_activity(self, updates: Sequence[HistoryUpdate]) -> list[HistoryResult]:
        """Insert events, trim to the newest L, raise `rev`; in the order of `updates`."""
        ...

    async def read_histories(self, users: Sequence[UserId]) -> list[History]: ...

    async def write_user_rows(self, writes: Sequence[UserRowWrite], kept: Sequence[ModelVersion], ttl_ms: int) -> int:
        """Store rows whose rev is not below the stored one, drop fields not in `kept`; return the number stored."""
        ...

    async def read_user_rows(self, release: ModelVersion, users: Sequence[UserId]) -> list[bytes | None]: ...

    async def touch_active(self, users: Mapping[UserId, int]) -> None:
        """Retrieval happened for these users at these times (ms); the newest stays, older than a day is dropped."""
        ...

    async def active_since(self, users: Sequence[UserId], since_ms: int) -> list[bool]: ...

    async def active_users(self, since_ms: int) -> list[UserId]: ...

    # -- items
    async def write_items(self, writes: Sequence[ItemWrite]) -> int:
        """Store rows and features whose rev is not below the stored one's; return how many items were stored."""
        ...

    async def read_item_features(self, items: Sequence[ItemId]) -> list[bytes | None]:
        """Features as stored by `write_items`; None for unknown and for deleted items."""
        ...

    async def read_items(self, items: Sequence[ItemId]) -> list[tuple[int, bytes | None] | None]:
        """Rev and features (None: deleted) as stored by `write_items`; None for items nobody has heard of."""
        ...

    async def read_item_rows(self, release: ModelVersion, items: Sequence[ItemId]) -> list[bytes | None]: ...

    async def scan_items(self) -> list[tuple[ItemId, int, bytes | None]]:
        """Every known item: id, rev, features (None: deleted). For fills, coverage and audits, not for requests."""
        ...

    # -- pairs
    async def write_pairs(self, release: ModelVersion, writes: Sequence[PairWrite], ttl_ms: int) -> int:
        """Store pair rows, recompute each user's aggregate from its unexpired members, clear pending marks."""
        ...

    async def mark_pending(
        self, release: ModelVersion, user: UserId, items: Sequence[ItemId], expires_ms: int
    ) -> list[ItemId]:
        """Mark items as requested until `expires_ms`; return those that were not pending before."""
        ...

    async def pair_index(self, release: ModelVersion, users: Sequence[UserId]) -> list[PairIndex]: ...

    # -- releases
    async def read_release(self, model: str) -> ReleaseState: ...

    async def change_release(self, model: str, expected: ReleaseState, new: ReleaseState) -> bool:
        """Compare and set live, staged and previous; False if they are no longer as expected."""
        ...

    async def acknowledge(self, release: ModelVersion, ranker: str, now_ms: int) -> None:
        """This ranker has loaded this release and saw it at `now_ms`."""
        ...

    async def acknowledged(self, release: ModelVersion, since_ms: int) -> list[str]: ...

    async def drop_version(self, release: ModelVersion) -> None:
        """Remove the item rows of a retired version; user and pair rows expire by themselves."""
        ...

    # -- bookkeeping
    async def write_watermarks(self, topic: str, partitions: Mapping[int, int]) -> None:
        """Raise the watermarks of a topic's partitions; a smaller value than the stored one is ignored."""
        ...

    async def publish_capacity(self, name: str, worker: str, per_s: float, ttl_ms: int) -> None:
        """This worker can do `per_s` of what `name` stands for; forgotten after `ttl_ms`."""
        ...

    async def read_capacity(self, name: str) -> float:
        """What all workers that are not forgotten can do together, per second; 0 without one."""
        ...

    async def set_epochs(self, value: str) -> None:
        """Write all 64 epochs: the marks whose absence says that a shard lost its data."""
        ...

    async def missing_epochs(self) -> list[int]: ...

    async def ping(self) -> None: ...

    async def close(self) -> None: ...
