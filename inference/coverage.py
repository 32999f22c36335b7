"""What must be in the store before a release goes live: four conditions, each with its figure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cache.row import RowKind, decode_rows
from cache.store import Store
from inference.manifest import Manifest
from runtime.ids import ItemId, ModelVersion, UserId

ACTIVE_MS = 30 * 60_000  # users with a retrieval this recently are the ones whose rows must be there
MIN_USERS = 0.95
MIN_PAIRS = 0.80  # of the live release's
RANKER_SEEN_MS = 10_000  # rankers acknowledge every second; one not heard for this long is gone
CHUNK = 1_000  # ids in one call to the store


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of the switch; `detail` has the figures."""

    name: str
    holds: bool
    detail: str


async def switch_conditions(store: Store, staged: Manifest, live: ModelVersion | None, now_ms: int) -> list[Condition]:
    """The conditions for `staged` to replace `live`, as the store is now; raises StoreUnavailable."""
    return [
        await _items(store, staged, now_ms),
        await _users(store, staged, now_ms),
        await _pairs(store, staged.model_version, live, now_ms),
        await _rankers(store, staged.model_version, live, now_ms),
    ]


async def _items(store: Store, staged: Manifest, now_ms: int) -> Condition:
    """A row that is older than its item's features counts as none."""
    known = [(item, rev) for item, rev, features in await store.scan_items() if features is not None]
    missing: list[ItemId] = []
    for start in range(0, len(known), CHUNK):
        part = known[start : start + CHUNK]
        rows = await store.read_item_rows(staged.model_version, [item for item, _ in part])
        decoded = decode_rows(rows, RowKind.ITEM, staged.model_version, staged.item_width, now_ms)
        behind = ~decoded.present | (decoded.rev < np.array([rev for _, rev in part], np.int64))
        missing += [part[index][0] for index in np.flatnonzero(behind)]
    detail = f"{len(known) - len(missing)} of {len(known)} items have a row"
    if missing:
        detail += f"; the first without: {missing[0]}"
    return Condition("items", not missing and bool(known), detail)


async def _users(store: Store, staged: Manifest, now_ms: int) -> Condition:
    """Users with a history: for the others there is nothing to compute."""
    active = await store.active_users(now_ms - ACTIVE_MS)
    num_with_history = num_with_row = 0
    for start in range(0, len(active), CHUNK):
        part: Sequence[UserId] = active[start : start + CHUNK]
        histories = await store.read_histories(part)
        rows = await store.read_user_rows(staged.model_version, part)
        decoded = decode_rows(rows, RowKind.USER, staged.model_version, staged.user_width, now_ms)
        has_history = np.array([bool(history.payloads) for history in histories], np.bool_)
        num_with_history += int(has_history.sum())
        num_with_row += int((has_history & decoded.present).sum())
    share = num_with_row / num_with_history if num_with_history else 1.0
    detail = f"{num_with_row} of {num_with_history} active users have a row ({share:.0%}, {MIN_USERS:.0%} are needed)"
    return Condition("users", share >= MIN_USERS, detail)


async def _pairs(store: Store, staged: ModelVersion, live: ModelVersion | None, now_ms: int) -> Condition:
    num_live = 0 if live is None else await _num_pairs(store, live, now_ms)
    num_staged = await _num_pairs(store, staged, now_ms)
    share = num_staged / num_live if num_live else 1.0
    detail = f"{num_staged} pairs of active users against {num_live} of live ({share:.0%}, {MIN_PAIRS:.0%} are needed)"
    return Condition("pairs", share >= MIN_PAIRS, detail)


async def _num_pairs(store: Store, release: ModelVersion, now_ms: int) -> int:
    active = await store.active_users(now_ms - ACTIVE_MS)
    total = 0
    for start in range(0, len(active), CHUNK):
        total += sum([len(index.stored) for index in await store.pair_index(release, active[start : start + CHUNK])])
    return total


async def _rankers(store: Store, staged: ModelVersion, live: ModelVersion | None, now_ms: int) -> Condition:
    since_ms = now_ms - RANKER_SEEN_MS
    ready = set(await store.acknowledged(staged, since_ms))
    running = ready | (set() if live is None else set(await store.acknowledged(live, since_ms)))
    detail = f"{len(ready)} of {len(running)} rankers have loaded it"
    if waiting := sorted(running - ready):
        detail += f"; not yet: {', '.join(waiting)}"
    return Condition("rankers", not waiting, detail)
