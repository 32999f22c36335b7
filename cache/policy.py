"""What may be used of what the store holds: pure rules over revisions, times and bounds.

A user's row, decided in this order:

| row | state | what the ranker does |
|---|---|---|
| none | ABSENT | computes it from the history; the default if that fails |
| its rev is the history's | DIRECT | uses it at any age: nothing has happened since |
| younger than the fresh bound | DIRECT | uses it; a refresh is pending |
| younger than the failover bound | FAILOVER | computes it; uses the row if that fails or is late |
| older | STALE | computes it; the default if that fails |

A candidate's pair representation is the first that exists and has not expired: the pair row, the user's aggregate, a
similar user's (not yet), the learned default. A row from the future has age 0 and is counted by the caller.
"""

from dataclasses import dataclass
from enum import Enum, IntEnum

import numpy as np
from numpy.typing import NDArray

from cache.packed import PackedRows
from cache.row import DecodedRows


class UserState(Enum):
    """What a stored user row is good for."""

    DIRECT = "direct"
    FAILOVER = "failover"
    STALE = "stale"
    ABSENT = "absent"


class PairTier(IntEnum):
    """Where a pair representation comes from, best first; the same numbers as `inference.protocol.Tier`."""

    PAIR = 0
    AGGREGATE = 1
    NEIGHBOUR = 2
    DEFAULT = 3


@dataclass(frozen=True, slots=True)
class UserBounds:
    """The largest ages of a row that is behind its history: to be used, and to be used when computing fails."""

    fresh_ms: int
    failover_ms: int

    def __post_init__(self) -> None:
        if not 0 <= self.fresh_ms <= self.failover_ms:
            raise ValueError(f"fresh_ms {self.fresh_ms} must be from 0 to failover_ms {self.failover_ms}")


@dataclass(frozen=True, slots=True)
class Ages:
    """Ages in ms, never negative; `num_negative` of them would have been."""

    ms: NDArray[np.int64]  # [N]
    num_negative: int


@dataclass(frozen=True, slots=True)
class ResolvedPairs:
    """The pair representation of each of N candidates; none at tier DEFAULT."""

    packed: PackedRows
    tier: NDArray[np.int32]  # [N], a PairTier
    rev: NDArray[np.int64]  # [N]
    as_of_ms: NDArray[np.int64]  # [N]
    ages: Ages  # [N]

    @property
    def values(self) -> NDArray[np.float32]:
        """[N, P] float32, zeros at tier DEFAULT; decoded at every call."""
        return self.packed.values()


def classify_user(
    row_rev: int | None, computed_ms: int, history_rev: int, now_ms: int, bounds: UserBounds
) -> UserState:
    """The state of a user's row (None: there is none that could be used) beside the history's rev.

    The history's rev is read just before the row, so a row may be ahead of it.
    """
    if row_rev is None:
        return UserState.ABSENT
    age_ms = max(now_ms - computed_ms, 0)
    if row_rev >= history_rev or age_ms <= bounds.fresh_ms:
        return UserState.DIRECT
    return UserState.FAILOVER if age_ms <= bounds.failover_ms else UserState.STALE


def ages_of(rows: DecodedRows, now_ms: int) -> Ages:
    """Ages of the rows that are present, 0 elsewhere."""
    return _ages(rows.computed_ms, rows.present, now_ms)


def resolve_pairs(pairs: DecodedRows, aggregate: DecodedRows | None, now_ms: int) -> ResolvedPairs:
    """Climb the ladder for N candidates; `aggregate` is one decoded row or None. Expiry was judged by decoding."""
    exact = pairs.present
    num_candidates = len(exact)
    if aggregate is None or not aggregate.present[0]:
        filled = np.zeros(num_candidates, np.bool_)
        packed, rev, as_of_ms, computed_ms = pairs.packed, pairs.rev, pairs.as_of_ms, pairs.computed_ms
    else:
        filled = ~exact
        packed = pairs.packed.or_else(aggregate.packed, filled)
        rev = np.where(exact, pairs.rev, aggregate.rev)
        as_of_ms = np.where(exact, pairs.as_of_ms, aggregate.as_of_ms)
        computed_ms = np.where(exact, pairs.computed_ms, aggregate.computed_ms)
    tier = np.full(num_candidates, PairTier.DEFAULT, np.int32)
    tier[filled] = PairTier.AGGREGATE
    tier[exact] = PairTier.PAIR
    found = exact | filled
    return ResolvedPairs(
        packed, tier, np.where(found, rev, 0), np.where(found, as_of_ms, 0), _ages(computed_ms, found, now_ms)
    )


def only_where(resolved: ResolvedPairs, kept: NDArray[np.bool_]) -> ResolvedPairs:
    """The same with the default for all candidates that are not `kept` [N]."""
    return ResolvedPairs(
        resolved.packed.only_where(kept),
        np.where(kept, resolved.tier, np.int32(PairTier.DEFAULT)),
        np.where(kept, resolved.rev, 0),
        np.where(kept, resolved.as_of_ms, 0),
        Ages(np.where(kept, resolved.ages.ms, 0), resolved.ages.num_negative),
    )


def _ages(computed_ms: NDArray[np.int64], counted: NDArray[np.bool_], now_ms: int) -> Ages:
    ages = np.where(counted, now_ms - computed_ms, 0)
    return Ages(np.maximum(ages, 0), int((ages < 0).sum()))
