"""The affine weight needs no pairs, and the roofline has the plan's numbers."""

import pytest
import torch

from kernels.hamming_pool.linear import hamming_pool_linear, history_moments
from kernels.hamming_pool.roofline import HammingPoolLinearWork, HammingPoolWork
from tests.unit.kernels.hamming_pool.test_kernel import exact, values
from tests.unit.kernels.signatures import SPLITS, signatures


@pytest.mark.parametrize(("at_zero", "slope"), [(1.0, -1.0), (0.3, 2.0)])
@pytest.mark.parametrize(("counts", "lengths"), SPLITS, ids=str)
def test_an_affine_weight_is_a_product_with_the_moments(
    counts: list[int], lengths: list[int], at_zero: float, slope: float, device: torch.device
) -> None:
    given = signatures(counts, lengths, 2, device)
    v = values(given, 5, torch.float64)
    moments, sums = history_moments(given.b, v, given.kv_offsets)
    out = hamming_pool_linear(given.a, moments, sums, given.cand_to_user, at_zero=at_zero, slope=slope)
    table = at_zero + slope * torch.arange(65, dtype=torch.float64) / 64
    torch.testing.assert_close(out.cpu(), exact(given, v, table, False), rtol=1e-12, atol=1e-12)


def test_the_work_is_that_of_the_product_on_matrix_units() -> None:
    work = HammingPoolWork(n=1000, t=10_000, b=1, pairs=10_000_000, bits=64, d=64)
    assert work.flops == 2 * 10_000_000 * 128
    assert work.bytes_moved == 88_000 + 11_000 * 128 + 4 * (64 + 1000 + 3)


def test_the_work_of_an_affine_weight_grows_with_both_and_not_with_their_product() -> None:
    work = HammingPoolLinearWork(n=1000, t=10_000, b=1, bits=64, d=64)
    assert work.flops == 2 * 11_000 * 64 * 64 + 10_000 * 64
    assert work.bytes_moved == 88_000 + (11_000 * 64 + 2 * 65 * 64) * 2 + 4 * 1002
