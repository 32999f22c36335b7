"""One estimate over all requests, and an error that covers it as often as it says."""

import math

import pytest
import torch

from inference.precision.changes import Change, Changes, change_of


def test_the_change_and_its_error_are_those_of_a_ratio_by_hand() -> None:
    base = torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64)
    losses = torch.tensor([1.1, 2.0, 5.3], dtype=torch.float64)
    found = change_of(losses, base)
    assert found.value == pytest.approx(0.4 / 8)
    residuals = [0.1 - 0.05 * 1, 0.0 - 0.05 * 2, 0.3 - 0.05 * 5]
    assert found.error == pytest.approx(math.hypot(*residuals) / 8)
    assert change_of(base, base) == Change(0.0, 0.0)
    assert change_of(base * 1.25, base).value == pytest.approx(0.25)


@pytest.mark.parametrize("true_change", [0.0, 0.02])
def test_one_standard_error_covers_two_thirds_of_the_samples(true_change: float) -> None:
    generator = torch.Generator().manual_seed(0)
    covered = 0
    for _ in range(1000):
        base = 0.5 + torch.rand(400, generator=generator, dtype=torch.float64)
        noise = 0.1 * torch.randn(400, generator=generator, dtype=torch.float64)
        found = change_of(base * (1 + true_change) + noise, base)
        covered += abs(found.value - true_change) <= found.error
    assert 0.65 < covered / 1000 < 0.72


def test_the_worse_head_is_the_one_that_may_have_moved_further() -> None:
    near, far, unsure = Change(0.001, 0.001), Change(-0.003, 0.0005), Change(0.0, 0.004)
    for changes, worse, bound in (
        (Changes(near, far), "conversion", 0.0035),
        (Changes(unsure, far), "click", 0.004),
        (Changes(near, None), "click", 0.002),
    ):
        assert changes.worse == worse
        assert changes.bound == pytest.approx(bound)


def test_a_nan_of_either_head_is_not_lost() -> None:
    fine, broken = Change(0.001, 0.001), Change(math.nan, math.nan)
    assert math.isnan(Changes(fine, broken).bound)
    assert math.isnan(Changes(broken, fine).bound)
    assert math.isnan(change_of(torch.tensor([1.0, math.nan]), torch.ones(2)).bound)
