"""The freshness rules, row by row of their table."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cache.policy import PairTier, UserBounds, UserState, ages_of, classify_user, resolve_pairs
from cache.row import DecodedRows, RowKind, decode_rows, encode_rows, stamped
from inference.protocol import Tier
from runtime.ids import ModelVersion

RELEASE = ModelVersion("main", "v1")
BOUNDS = UserBounds(fresh_ms=1000, failover_ms=10_000)
NOW_MS = 1_700_000_000_000


@pytest.mark.parametrize(
    ("row_rev", "history_rev", "age_ms", "expected"),
    [
        (None, 0, 0, UserState.ABSENT),
        (None, 9, 0, UserState.ABSENT),
        (9, 9, 0, UserState.DIRECT),
        (9, 9, 1 << 40, UserState.DIRECT),
        (10, 9, 1 << 40, UserState.DIRECT),
        (0, 0, 1 << 40, UserState.DIRECT),
        (8, 9, -5000, UserState.DIRECT),
        (8, 9, 1000, UserState.DIRECT),
        (8, 9, 1001, UserState.FAILOVER),
        (8, 9, 10_000, UserState.FAILOVER),
        (8, 9, 10_001, UserState.STALE),
    ],
)
def test_user_row_is_classified(row_rev: int | None, history_rev: int, age_ms: int, expected: UserState) -> None:
    assert classify_user(row_rev, NOW_MS - age_ms, history_rev, NOW_MS, BOUNDS) is expected


@settings(max_examples=200, deadline=None, derandomize=True)
@given(rev=st.integers(0, 5), history_rev=st.integers(0, 5), age=st.integers(-10, 20_000), older=st.integers(0, 20_000))
def test_a_row_never_gets_better_by_ageing(rev: int, history_rev: int, age: int, older: int) -> None:
    order = [UserState.DIRECT, UserState.FAILOVER, UserState.STALE]
    states = [classify_user(rev, NOW_MS - age_ms, history_rev, NOW_MS, BOUNDS) for age_ms in (age, age + older)]
    assert order.index(states[0]) <= order.index(states[1])


def test_bounds_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="fresh_ms 2"):
        UserBounds(fresh_ms=2, failover_ms=1)


def test_tiers_have_the_numbers_that_the_ranker_was_trained_with() -> None:
    assert {tier.name: int(tier) for tier in PairTier} == {tier.name: int(tier) for tier in Tier}


def decoded(kind: RowKind, values: list[float | None], ages_ms: list[int], life_ms: int = 60_000) -> DecodedRows:
    """Rows of width 2, of rev 1, 2, ... and as_of_ms 10, 20, ..."""
    rows: list[bytes | None] = []
    for index, (value, age_ms) in enumerate(zip(values, ages_ms, strict=True)):
        if value is None:
            rows.append(None)
            continue
        filled = np.full((1, 2), value, np.float32)
        [row] = encode_rows(kind, RELEASE, filled, rev=[index + 1], as_of_ms=[10 * index + 10])
        rows.append(stamped(row, NOW_MS - age_ms, NOW_MS - age_ms + life_ms))
    return decode_rows(rows, kind, RELEASE, 2, NOW_MS)


def test_exact_pairs_lead_then_the_aggregate() -> None:
    pairs = decoded(RowKind.PAIR, [1.0, None, 3.0, 4.0], [100, 0, 60_000, -50])  # the third has expired
    aggregate = decoded(RowKind.AGGREGATE, [9.0], [7000])
    resolved = resolve_pairs(pairs, aggregate, NOW_MS)
    assert resolved.tier.tolist() == [Tier.PAIR, Tier.AGGREGATE, Tier.AGGREGATE, Tier.PAIR]
    assert resolved.values[:, 0].tolist() == [1.0, 9.0, 9.0, 4.0]
    assert resolved.rev.tolist() == [1, 1, 1, 4]
    assert resolved.as_of_ms.tolist() == [10, 10, 10, 40]
    assert resolved.ages.ms.tolist() == [100, 7000, 7000, 0]
    assert resolved.ages.num_negative == 1


@pytest.mark.parametrize("aggregate_age_ms", [None, 60_000], ids=["absent", "expired"])
def test_without_a_usable_aggregate_the_default_remains(aggregate_age_ms: int | None) -> None:
    pairs = decoded(RowKind.PAIR, [None, 2.0, 3.0], [0, 0, 60_001])
    aggregate = None if aggregate_age_ms is None else decoded(RowKind.AGGREGATE, [9.0], [aggregate_age_ms])
    resolved = resolve_pairs(pairs, aggregate, NOW_MS)
    assert resolved.tier.tolist() == [Tier.DEFAULT, Tier.PAIR, Tier.DEFAULT]
    assert resolved.values[:, 0].tolist() == [0.0, 2.0, 0.0]
    assert resolved.rev.tolist() == [0, 2, 0]
    assert resolved.ages.ms.tolist() == [0, 0, 0]


def test_request_without_candidates_resolves_to_nothing() -> None:
    resolved = resolve_pairs(decoded(RowKind.PAIR, [], []), decoded(RowKind.AGGREGATE, [9.0], [0]), NOW_MS)
    assert resolved.values.shape == (0, 2)
    assert resolved.tier.tolist() == []


def test_ages_from_the_future_are_zero_and_counted() -> None:
    ages = ages_of(decoded(RowKind.ITEM, [1.0, 1.0, None], [-1, 5, 5]), NOW_MS)
    assert (ages.ms.tolist(), ages.num_negative) == ([0, 5, 0], 1)
