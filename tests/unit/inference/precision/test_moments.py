"""Moments in a stream against those of everything at once, and errors by hand."""

import math

import pytest
import torch

from inference.precision.errors import NO_NOISE_DB, kernel_error
from inference.precision.moments import SAMPLE_ROWS, Moments


def correlated(n: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    mix = torch.randn(5, 5, generator=generator)
    return torch.randn(n, 5, generator=generator) @ mix + torch.tensor([100.0, 0.0, -3.0, 1.0, 0.0])


def test_batches_give_the_moments_of_all_rows() -> None:
    rows, moments = correlated(700), Moments()
    for part in (rows[:1], rows[1:1], rows[1:300], rows[300:]):
        moments.add(part)
    torch.testing.assert_close(moments.mean, rows.double().mean(0), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(moments.covariance, rows.double().T.cov(), rtol=1e-10, atol=1e-10)
    assert torch.equal(moments.real(), rows)
    assert moments.tail == pytest.approx(float(rows.abs().max() / rows.square().mean().sqrt()), rel=1e-3)


def test_the_sample_has_the_moments() -> None:
    moments = Moments()
    moments.add(correlated(2000))
    drawn = moments.sampled(50_000).double()
    scale = moments.covariance.diagonal().sqrt()
    assert float(((drawn.mean(0) - moments.mean) / scale).abs().max()) < 0.03
    assert float((drawn.T.cov() - moments.covariance).norm() / moments.covariance.norm()) < 0.03
    assert torch.equal(moments.sampled(100), moments.sampled(100))


def test_columns_that_never_change_can_be_sampled() -> None:
    moments = Moments()
    moments.add(torch.ones(3, 8))
    torch.testing.assert_close(moments.sampled(10), torch.ones(10, 8), rtol=0, atol=1e-6)


def test_kept_rows_are_few_and_evenly_chosen() -> None:
    moments = Moments()
    for start in range(0, 30_000, 700):
        moments.add(torch.arange(start, min(start + 700, 30_000)).float()[:, None])
    kept = moments.real()[:, 0]
    assert SAMPLE_ROWS / 2 <= len(kept) <= 2 * SAMPLE_ROWS
    assert float(kept.diff().min()) > 0
    assert float(kept.mean()) == pytest.approx(15_000, rel=0.05)


def test_errors_are_those_by_hand() -> None:
    error = kernel_error(torch.tensor([1.1, -100.0]), torch.tensor([1.0, -100.0]))
    assert error.mere == pytest.approx(0.05, rel=1e-5)
    assert error.frobenius == pytest.approx(0.1 / math.sqrt(10_001), rel=1e-5)
    assert error.sqnr_db == pytest.approx(20 * math.log10(math.sqrt(10_001) / 0.1), rel=1e-5)


def test_no_error_is_no_infinity() -> None:
    exact = torch.tensor([0.0, 2.0])
    assert kernel_error(exact, exact).sqnr_db == NO_NOISE_DB
    assert kernel_error(torch.zeros(2), torch.zeros(2)).frobenius == 0.0
    assert kernel_error(torch.tensor([0.5, 2.0]), exact).mere == 0.0  # an exact zero has no relative error
