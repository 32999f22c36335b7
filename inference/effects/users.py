"""What activity, retrievals and user misses do to the store; the same in user refresh, training and rebuild."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cache.row import RowKind, encode_empty, rev_of
from cache.store import History, HistoryEvent, HistoryUpdate, Store, UserRowWrite
from inference.effects.compute import Compute, inline
from inference.effects.encode import encode_for_all
from inference.history import encode_event
from inference.release import Release
from inference.user_row import encode_user_rows
from runtime.ids import ModelVersion, UserId
from streams.wire.events import HISTORY_KINDS, Activity, Retrieval, UserMiss
from streams.wire.record import Received

ACTIVE_WINDOW_MS = 30 * 60_000  # whose row is refreshed at once: users with a retrieval in the last half hour
UNKNOWN_TTL_MS = 60_000  # life of a negative answer


@dataclass(frozen=True, slots=True)
class UserChanges:
    """What a call did: events that changed histories, users whose rows are as new as their history."""

    num_events: int = 0
    refreshed: frozenset[UserId] = field(default_factory=frozenset)


async def apply_activity(
    store: Store,
    releases: Sequence[Release],
    received: Sequence[Received[Activity]],
    *,
    kept: Sequence[ModelVersion],
    now_ms: int,
    compute: Compute = inline,
) -> UserChanges:
    """Insert what users did into their histories, and refresh the rows of those who are active.

    Impressions and other kinds are passed over. For the others row.rev < history.rev says that a refresh is pending.
    """
    updates = _history_updates(received)
    if not updates:
        return UserChanges()
    users = list(updates)
    active = await store.active_since(users, now_ms - ACTIVE_WINDOW_MS)
    results = await store.apply_activity(
        [HistoryUpdate(user, updates[user], wanted) for user, wanted in zip(users, active, strict=True)]
    )
    # Also those without a new event: a record may come again because its rows were never written.
    histories = [result.history for result in results if result.history is not None]
    await refresh_users(store, releases, histories, kept=kept, compute=compute)
    return UserChanges(sum(r.num_new for r in results), frozenset(history.user for history in histories))


async def refresh_stale(
    store: Store,
    releases: Sequence[Release],
    users: Sequence[UserId],
    *,
    kept: Sequence[ModelVersion],
    compute: Compute = inline,
) -> UserChanges:
    """Refresh those of `users` who have a history that is newer than one of their rows."""
    if not users or not releases:
        return UserChanges()
    stored = [await store.read_user_rows(release.model_version, users) for release in releases]
    histories = [
        history
        for i, history in enumerate(await store.read_histories(users))
        if history.payloads and any(rev_of(rows[i]) < history.rev for rows in stored)
    ]
    await refresh_users(store, releases, histories, kept=kept, compute=compute)
    return UserChanges(0, frozenset(history.user for history in histories))


async def answer_user_misses(
    store: Store,
    releases: Sequence[Release],
    users: Sequence[UserId],
    *,
    kept: Sequence[ModelVersion],
    compute: Compute = inline,
) -> UserChanges:
    """Compute the rows that the ranker did not find, also where a row is there: it may be damaged.

    A user without a history gets a negative answer that lives for a minute.
    """
    if not users or not releases:
        return UserChanges()
    histories = await store.read_histories(users)
    known = [history for history in histories if history.payloads]
    await refresh_users(store, releases, known, kept=kept, compute=compute)
    unknown = [_unknown(releases, history.user) for history in histories if not history.payloads]
    if unknown:
        await store.write_user_rows(unknown, kept, UNKNOWN_TTL_MS)
    return UserChanges(0, frozenset(history.user for history in known))


async def touch_users(store: Store, received: Sequence[Received[Retrieval]]) -> None:
    """Mark the users of retrievals as active, at the time of the retrieval."""
    times: dict[UserId, int] = {}
    for one in received:
        user = UserId(one.event.user_id)
        times[user] = max(times.get(user, 0), one.event.event_time_ms)
    if times:
        await store.touch_active(times)


async def refresh_users(
    store: Store,
    releases: Sequence[Release],
    histories: Sequence[History],
    *,
    kept: Sequence[ModelVersion],
    compute: Compute = inline,
) -> int:
    """Compute the rows of these histories for all releases and store them in one write; return the number stored.

    The live release comes first in `releases`; rows that another one fails to encode are left out.
    """
    if not histories or not releases:
        return 0
    encoded = await compute(lambda: encode_for_all(releases, histories, encode_user_rows))
    writes = [UserRowWrite(history.user, rows) for history, rows in zip(histories, encoded, strict=True)]
    ttl_ms = max(release.manifest.user_failover_ms for release in releases)
    return await store.write_user_rows(writes, kept, ttl_ms)


def _history_updates(received: Sequence[Received[Activity]]) -> dict[UserId, list[HistoryEvent]]:
    updates: dict[UserId, list[HistoryEvent]] = {}
    for one in received:
        event = one.event
        if event.kind in HISTORY_KINDS:
            entry = HistoryEvent(event.event_id, event.event_time_ms, one.offset, encode_event(event))
            updates.setdefault(UserId(event.user_id), []).append(entry)
    return updates


def users_of(received: Sequence[Received[Retrieval]] | Sequence[Received[UserMiss]]) -> list[UserId]:
    """The users of these events, each once, in order."""
    return [UserId(user) for user in dict.fromkeys(one.event.user_id for one in received)]


def _unknown(releases: Sequence[Release], user: UserId) -> UserRowWrite:
    versions = [release.model_version for release in releases]
    return UserRowWrite(user, {v: encode_empty(RowKind.USER, v, rev=0, as_of_ms=0) for v in versions})
