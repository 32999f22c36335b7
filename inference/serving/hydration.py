"""What is known of one request: which rows of the store may be used, and how old each of them is."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from cache.packed import PackedRows
from cache.policy import Ages, ages_of, only_where, resolve_pairs
from cache.row import DecodedRows, RowKind, decode_rows
from cache.store import Hydrated
from inference import metrics
from inference.manifest import Manifest
from inference.protocol import Tier
from inference.serving.degrade import Reason
from runtime.ids import ItemId

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


class UserSource(StrEnum):
    """Where the user's representation came from."""

    COMPUTED = "computed"
    DIRECT = "direct"
    FAILOVER = "failover"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class User:
    """The user's side: `values` [T, D], None for the learned default."""

    source: UserSource
    values: Floats | None = None
    rev: int = 0
    as_of_ms: int = 0
    age_ms: int = 0


DEFAULT_USER = User(UserSource.DEFAULT)


@dataclass(slots=True)
class Hydration:
    """The N candidates' side as arrays in the order of the request, and the user's, which is settled later."""

    history_rev: int
    cand: PackedRows  # [N, D], none where `cand_mask` is false
    cand_mask: NDArray[np.bool_]  # [N]
    gone: NDArray[np.bool_]  # [N], deleted items and such as nobody knows; rows that are merely missing are not
    item_age_ms: Integers  # [N]
    pair: PackedRows  # [N, P], none at Tier.DEFAULT
    tier: NDArray[np.int32]  # [N], a Tier
    pair_age_ms: Integers  # [N]
    pair_as_of_ms: Integers  # [N]
    pair_rev: Integers  # [N]
    pair_rows: Sequence[bytes | None]  # [N] as stored, for the slates that are logged whole
    missing: list[ItemId] = field(default_factory=list)  # to be reported
    reasons: list[Reason] = field(default_factory=list)
    found: dict[str, int] = field(default_factory=dict)  # candidates by what was found of their item row
    user: User = DEFAULT_USER


def hydrate_items(found: Hydrated, items: Sequence[ItemId], manifest: Manifest, now_ms: int) -> Hydration:
    """Judge item and pair rows and climb the pair ladder: pair -> the user's aggregate -> default.

    An item without a row gets the default: a pair of nothing is a case that no ranker was trained on.
    """
    release = manifest.model_version
    rows = decode_rows(found.item_rows, RowKind.ITEM, release, manifest.item_width, now_ms)
    pairs = decode_rows(found.pair_rows, RowKind.PAIR, release, manifest.pair_width, now_ms)
    aggregate = None
    if found.aggregate is not None:
        aggregate = decode_rows([found.aggregate], RowKind.AGGREGATE, release, manifest.pair_width, now_ms)
    resolved = resolve_pairs(pairs, aggregate, now_ms)
    if not rows.present.all():
        resolved = only_where(resolved, rows.present)
    hydration = Hydration(
        history_rev=found.rev,
        cand=rows.packed,
        cand_mask=rows.present,
        gone=rows.empty,
        item_age_ms=_counted(ages_of(rows, now_ms)),
        pair=resolved.packed,
        tier=resolved.tier,
        pair_age_ms=_counted(resolved.ages),
        pair_as_of_ms=resolved.as_of_ms,
        pair_rev=resolved.rev,
        pair_rows=found.pair_rows,
    )
    absent = ~rows.present & ~rows.empty
    if absent.any():
        hydration.missing = [items[index] for index in np.flatnonzero(absent)]
        hydration.reasons.append(Reason.ITEMS_MISSING)
    corrupt = _count_corrupt(rows, RowKind.ITEM) + _count_corrupt(pairs, RowKind.PAIR)
    if aggregate is not None:
        corrupt += _count_corrupt(aggregate, RowKind.AGGREGATE)
    if corrupt:
        hydration.reasons.append(Reason.ROWS_CORRUPT)
    masks = {"row": rows.present, "negative": rows.empty, "corrupt": rows.corrupt}
    hydration.found = {name: int(mask.sum()) for name, mask in masks.items()}
    hydration.found["missing"] = len(items) - sum(hydration.found.values())
    return hydration


def nothing(num_candidates: int, manifest: Manifest) -> Hydration:
    """The hydration of a request that the store did not answer."""
    n = num_candidates
    return Hydration(
        history_rev=0,
        cand=PackedRows.none(n, manifest.item_width),
        cand_mask=np.zeros(n, np.bool_),
        gone=np.zeros(n, np.bool_),
        item_age_ms=np.zeros(n, np.int64),
        pair=PackedRows.none(n, manifest.pair_width),
        tier=np.full(n, Tier.DEFAULT, np.int32),
        pair_age_ms=np.zeros(n, np.int64),
        pair_as_of_ms=np.zeros(n, np.int64),
        pair_rev=np.zeros(n, np.int64),
        pair_rows=[None] * n,
    )


def decode_user(row: bytes, manifest: Manifest, now_ms: int) -> DecodedRows:
    """One stored user row, [1, T x D]."""
    decoded = decode_rows([row], RowKind.USER, manifest.model_version, manifest.user_width, now_ms)
    _count_corrupt(decoded, RowKind.USER)
    return decoded


def user_of(decoded: DecodedRows, source: UserSource, manifest: Manifest, now_ms: int) -> User:
    """The user's side from a decoded row that is present; a row just computed has age 0."""
    values = decoded.values.reshape(manifest.user_tokens, manifest.item_width)
    age_ms = 0 if source is UserSource.COMPUTED else int(_counted(ages_of(decoded, now_ms))[0])
    return User(source, values, int(decoded.rev[0]), int(decoded.as_of_ms[0]), age_ms)


def observe(hydration: Hydration) -> None:
    """Count what was found, for the metrics."""
    for name, number in hydration.found.items():
        if number:
            metrics.item_rows.labels(name).inc(number)
    for tier, number in enumerate(np.bincount(hydration.tier, minlength=len(Tier)).tolist()):
        if number:
            metrics.items.labels(Tier(tier).name.lower()).inc(number)
    metrics.users.labels(hydration.user.source).inc()
    if hydration.user.values is not None:
        metrics.user_age_seconds.observe(hydration.user.age_ms / 1000)


def _counted(ages: Ages) -> Integers:
    if ages.num_negative:
        metrics.negative_ages.inc(ages.num_negative)
    return ages.ms


def _count_corrupt(rows: DecodedRows, kind: RowKind) -> int:
    corrupt = int(rows.corrupt.sum())
    if corrupt:
        metrics.corrupt_rows.labels(kind.name.lower()).inc(corrupt)
    return corrupt
