"""What item updates and item misses do to the store; the same in item inference, training and rebuild."""

from collections.abc import Iterable, Sequence

import orjson

from cache.row import RowKind, encode_empty, rev_of
from cache.store import ItemWrite, Store
from inference.effects.compute import Compute, inline
from inference.effects.encode import encode_for_all
from inference.item_row import ItemState, encode_item_rows
from inference.release import Release
from runtime.ids import ItemId, ModelVersion
from streams.wire.codec import Tombstone
from streams.wire.events import ItemMiss, ItemUpdate
from streams.wire.record import Received

REPAIR_BATCH = 256  # so that records are not kept waiting for long
UNKNOWN_TTL_MS = 60_000  # life of a negative answer: how long an item may stay unknown after its update was lost


async def apply_item_updates(
    store: Store,
    releases: Sequence[Release],
    received: Sequence[Received[ItemUpdate] | Received[Tombstone]],
    *,
    compute: Compute = inline,
) -> int:
    """Write features and a row per release for the newest update of each item; return the number of items stored.

    The live release comes first in `releases`; rows that another one fails to encode are left out.
    A deletion leaves rows of width zero. Older updates than the stored one change nothing.
    """
    newest: dict[str, Received[ItemUpdate] | Received[Tombstone]] = {}
    for one in received:
        known = newest.get(one.event.item_id)
        if known is None or one.rev > known.rev:
            newest[one.event.item_id] = one
    return await _write(store, releases, [_state(one) for one in newest.values()], compute)


async def fill_items(
    store: Store,
    releases: Sequence[Release],
    known: Iterable[tuple[ItemId, int, bytes | None]],
    *,
    compute: Compute = inline,
) -> int:
    """Write the rows of items as the store knows them (`scan_items`, `read_items`): for a staged release, for a miss.

    The features say nothing of the time of their event, so `as_of_ms` of these rows is 0.
    """
    states = [ItemState(item, orjson.loads(features) if features else None, rev, 0) for item, rev, features in known]
    return await _write(store, releases, states, compute)


async def repair_items(store: Store, release: Release, *, compute: Compute = inline) -> int:
    """Write the rows of a release that are missing or older than the item's features; return how many.

    An agent calls it once it writes rows for a release: what was updated before has none, or one from a fill that read
    the features earlier.
    """
    known, num_repaired = await store.scan_items(), 0
    for first in range(0, len(known), REPAIR_BATCH):
        part = known[first : first + REPAIR_BATCH]
        rows = await store.read_item_rows(release.model_version, [item for item, _, _ in part])
        stale = [entry for entry, row in zip(part, rows, strict=True) if rev_of(row) < entry[1]]
        num_repaired += await fill_items(store, [release], stale, compute=compute)
    return num_repaired


async def forget_deletions(
    store: Store, versions: Sequence[ModelVersion], deletions: Sequence[tuple[ItemId, int]]
) -> int:
    """Forget deleted items (id, rev of the deletion): nothing may still write an older update of them.

    Their rows become negative answers that end. Returns the number of items forgotten; whatever is newer stays.
    """
    writes = [ItemWrite(item, rev, None, _empty(versions, rev), UNKNOWN_TTL_MS) for item, rev in deletions]
    return await store.write_items(writes) if writes else 0


async def answer_item_misses(
    store: Store,
    releases: Sequence[Release],
    received: Sequence[Received[ItemMiss]],
    *,
    compute: Compute = inline,
) -> int:
    """Compute the rows of known items; for unknown ones write a negative answer that lives for a minute.

    Returns the number of items stored. An update that arrives meanwhile wins, whatever the order.
    """
    items = list(dict.fromkeys(ItemId(one.event.item_id) for one in received))
    if not items:
        return 0
    found = dict(zip(items, await store.read_items(items), strict=True))
    num_filled = await fill_items(
        store, releases, [(item, *known) for item, known in found.items() if known is not None], compute=compute
    )
    unknown = [_unknown(releases, item) for item, known in found.items() if known is None]
    return num_filled + (await store.write_items(unknown) if unknown else 0)


async def _write(store: Store, releases: Sequence[Release], states: Sequence[ItemState], compute: Compute) -> int:
    if not states:
        return 0
    rows = await compute(lambda: encode_for_all(releases, states, encode_item_rows))
    writes = [
        ItemWrite(
            item=state.item,
            rev=state.rev,
            features=None if state.features is None else orjson.dumps(state.features),
            rows=rows_of_state,
        )
        for state, rows_of_state in zip(states, rows, strict=True)
    ]
    return await store.write_items(writes)


def _state(one: Received[ItemUpdate] | Received[Tombstone]) -> ItemState:
    event = one.event
    if isinstance(event, Tombstone):
        return ItemState(event.item_id, None, one.rev, one.append_time_ms)
    return ItemState(ItemId(event.item_id), event.features, one.rev, event.event_time_ms)


def _unknown(releases: Sequence[Release], item: ItemId) -> ItemWrite:
    return ItemWrite(item, 0, None, _empty([release.model_version for release in releases], 0), UNKNOWN_TTL_MS)


def _empty(versions: Sequence[ModelVersion], rev: int) -> dict[ModelVersion, bytes]:
    return {version: encode_empty(RowKind.ITEM, version, rev=rev, as_of_ms=0) for version in versions}
