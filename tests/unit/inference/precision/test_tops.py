"""The order that would be served, and what is left of it."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from inference.precision.tops import by_chance, same_top, served_scores

OFFSETS = np.array([0, 12, 22, 42])  # twelve, ten and twenty candidates


def rising(num: int) -> NDArray[np.float64]:
    return np.arange(num, dtype=np.float64)


def test_the_score_is_that_of_both_heads_without_a_bid() -> None:
    logits = torch.logit(torch.tensor([[0.2, 0.5], [0.1, 0.4]]))
    np.testing.assert_allclose(served_scores(logits, 2.0), [0.2 * 1.2, 0.5 * 1.8], rtol=1e-6)
    np.testing.assert_allclose(served_scores(logits, 0.0), [0.2, 0.5], rtol=1e-6)


def test_what_leaves_the_ten_best_is_counted_where_there_are_more_than_ten() -> None:
    before = rising(42)
    found = before.copy()
    found[[0, 11]] = found[[11, 0]]  # of the first request the best one and the worst change places
    assert same_top(before, before, OFFSETS).ten == 1.0
    assert same_top(found, before, OFFSETS).ten == pytest.approx((0.9 + 1.0) / 2)
    assert same_top(found, before, OFFSETS).first == pytest.approx(2 / 3)


def test_an_order_by_chance_keeps_what_it_is_said_to_keep() -> None:
    rng = np.random.default_rng(0)
    shares = [same_top(rng.random(42), rng.random(42), OFFSETS).ten for _ in range(300)]
    expected = by_chance(OFFSETS)
    assert expected == pytest.approx((10 / 12 + 10 / 20) / 2)
    assert float(np.mean([share for share in shares if share is not None])) == pytest.approx(expected, abs=0.02)


def test_where_no_request_has_more_than_ten_nothing_is_said() -> None:
    offsets = np.array([0, 1, 11])
    assert same_top(rising(11), rising(11), offsets).ten is by_chance(offsets) is None
    assert same_top(rising(11), rising(11), offsets).first == 1.0
    assert same_top(rising(1), rising(1), np.array([0, 1])).first is None


def test_equal_scores_are_in_one_order() -> None:
    equal = np.zeros(42)
    assert same_top(equal, equal, OFFSETS).ten == same_top(equal, equal, OFFSETS).first == 1.0
