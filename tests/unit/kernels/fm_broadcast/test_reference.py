"""The PyTorch form against the block over all embeddings in float64, its gradients, and what it spares."""

import pytest
import torch

from kernels.fm_broadcast import reference
from kernels.fm_broadcast.kernel import PACKED, SINGLE, packed_config_for, single_config_for
from kernels.fm_broadcast.roofline import FmBroadcastWork
from tests.unit.kernels.close import assert_close
from tests.unit.kernels.ragged import candidate_index

CPU = torch.device("cpu")


def normal(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("counts", [[5], [3, 0, 4]], ids=str)
def test_the_shared_part_is_exact(counts: list[int]) -> None:
    index, _ = candidate_index(counts, CPU)
    c, u, y = normal(len(index), 5, 8), normal(len(counts), 7, 8), normal(12, 3)
    t = u.transpose(1, 2) @ y[:7]
    x = torch.cat([u[index.long()], c], dim=1)
    expected = x @ (x.transpose(1, 2) @ y)
    out_c, out_u = reference.fm_broadcast_both(c, y[7:], t, u, index)
    assert_close(torch.cat([out_u, out_c], dim=1), expected, 1e-12)
    assert_close(reference.fm_broadcast(c, y[7:], t, index), expected[:, 7:], 1e-12)


@pytest.mark.parametrize("counts", [[2], [1, 2]], ids=str)
def test_it_has_gradients(counts: list[int]) -> None:
    index, _ = candidate_index(counts, CPU)
    b = len(counts)
    given = [x.requires_grad_() for x in (normal(len(index), 2, 3), normal(2, 2), normal(b, 3, 2), normal(b, 4, 3))]
    assert torch.autograd.gradcheck(lambda c, y_c, t, u: reference.fm_broadcast_both(c, y_c, t, u, index), given)


def test_small_candidates_share_a_tile() -> None:
    assert packed_config_for(100, 8) is PACKED["packed"]
    assert packed_config_for(10_000, 32) is PACKED["packed-tall"]
    assert packed_config_for(10_000, 33) is None
    assert single_config_for(64) is SINGLE["single"]
    assert single_config_for(65) is SINGLE["single-tall"]


@pytest.mark.parametrize(
    ("n", "nc", "d", "k", "floor_us"),
    [(1000, 64, 128, 32, 4.8), (10_000, 32, 64, 16, 11.9), (2048, 128, 128, 64, 23.4)],
)
def test_the_roofline_is_that_of_the_plan(n: int, nc: int, d: int, k: int, floor_us: float) -> None:
    work = FmBroadcastWork(n, nc, d, k, b=1)
    assert work.bytes_moved / 4.3e12 * 1e6 == pytest.approx(floor_us, rel=0.02)
    assert work.flops / 790e12 < work.bytes_moved / 4.3e12  # bound by memory
