"""What pair requests do to the store: pair rows by the foundation model, the most valuable first, within a capacity."""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from cache.store import History, PairWrite, Store
from inference.effects.compute import Compute, inline
from inference.pair_row import encode_pair_rows
from inference.release import ItemWithFeatures, Release
from runtime.ids import ItemId, ModelVersion, UserId
from streams.wire.events import PairRequest
from streams.wire.record import Received


@dataclass(frozen=True, slots=True)
class PairOutcome:
    """What became of the pairs that were asked for: each is counted once."""

    computed: int = 0
    expired: int = 0  # useless by now
    other_version: int = 0  # for a release that no rows are written for
    shed: int = 0  # beyond the capacity, the least valuable ones
    unknown_item: int = 0  # without features there is nothing to compute


@dataclass(frozen=True, slots=True)
class _Pair:
    release: ModelVersion
    user: UserId
    item: ItemId
    value: float


async def compute_pairs(
    store: Store,
    releases: Sequence[Release],
    received: Sequence[Received[PairRequest]],
    *,
    now_ms: int,
    capacity: int,
    compute: Compute = inline,
) -> PairOutcome:
    """Compute at most `capacity` pairs from the histories as they are now, and write them with their aggregates."""
    by_version = {release.model_version: release for release in releases}
    pairs: dict[tuple[ModelVersion, UserId, ItemId], _Pair] = {}
    expired = other_version = num_asked = 0
    for one in received:
        request, version = one.event, ModelVersion(one.event.model, one.event.version)
        num_asked += len(request.items)
        if request.expires_ms <= now_ms:
            expired += len(request.items)
        elif version not in by_version:
            other_version += len(request.items)
        else:
            for asked in request.items:
                pair = _Pair(version, UserId(request.user_id), ItemId(asked.item_id), asked.value)
                key = (version, pair.user, pair.item)
                if key not in pairs or pairs[key].value < pair.value:
                    pairs[key] = pair
    chosen = sorted(pairs.values(), key=lambda pair: -pair.value)[:capacity]
    num_computed, num_unknown = await _compute(store, by_version, chosen, compute)
    num_valid = num_asked - expired - other_version
    shed = num_valid - num_computed - num_unknown  # also those asked for twice
    return PairOutcome(num_computed, expired, other_version, shed, num_unknown)


async def _compute(
    store: Store, releases: dict[ModelVersion, Release], pairs: Sequence[_Pair], compute: Compute
) -> tuple[int, int]:
    """How many pairs were computed, and how many have an unknown item."""
    if not pairs:
        return 0, 0
    users = list(dict.fromkeys(pair.user for pair in pairs))
    items = list(dict.fromkeys(pair.item for pair in pairs))
    histories = dict(zip(users, await store.read_histories(users), strict=True))
    found = dict(zip(items, await store.read_item_features(items), strict=True))
    features = {item: orjson.loads(data) for item, data in found.items() if data is not None}
    groups: dict[tuple[ModelVersion, UserId], list[ItemWithFeatures]] = {}
    for pair in pairs:
        if pair.item in features:
            groups.setdefault((pair.release, pair.user), []).append((pair.item, features[pair.item]))
    for version, release in releases.items():
        members = [(histories[user], wanted) for (asked, user), wanted in groups.items() if asked == version]
        if members:
            writes = await compute(lambda release=release, members=members: _writes(release, members))  # type: ignore[misc]
            await store.write_pairs(version, writes, release.manifest.pair_ttl_ms)
    num_computed = sum(len(wanted) for wanted in groups.values())
    return num_computed, len(pairs) - num_computed


def _writes(release: Release, members: Sequence[tuple[History, Sequence[ItemWithFeatures]]]) -> list[PairWrite]:
    return [
        PairWrite(
            history.user,
            dict(zip([item for item, _ in wanted], encode_pair_rows(release, history, wanted), strict=True)),
        )
        for history, wanted in members
    ]
