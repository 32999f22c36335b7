"""What the decomposition saves costs nothing in exactness, and the roofline is the plan's."""

import pytest
import torch

from kernels.broadcast_lce import reference
from kernels.broadcast_lce.op import broadcast_lce
from kernels.broadcast_lce.roofline import BroadcastLceWork
from kernels.broadcast_lce.weights import prepare_lce_weights
from kernels.roofline import Ceilings
from tests.unit.kernels.ragged import candidate_index


@pytest.mark.parametrize("counts", [[5, 0, 3], [8]], ids=str)
def test_the_decomposition_is_the_compression_of_the_concatenation(counts: list[int]) -> None:
    generator = torch.Generator().manual_seed(1)
    index, _ = candidate_index(counts, torch.device("cpu"))
    x_request = torch.randn(len(counts), 11, 6, generator=generator, dtype=torch.float64)
    x = torch.randn(8, 7, 6, generator=generator, dtype=torch.float64)
    weight = torch.randn(9, 18, generator=generator, dtype=torch.float64)
    weights = prepare_lce_weights(weight, 11)
    out = reference.broadcast_lce(x, weights.candidate, weights.request @ x_request, index)
    expected = weight @ torch.cat([x_request[index.long()], x], dim=1)
    torch.testing.assert_close(out, expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(("n", "k"), [(0, 7), (3, 0)])
def test_without_candidates_or_embeddings_the_requests_part_is_left(n: int, k: int) -> None:
    request, index = torch.randn(2, 9, 6), torch.zeros(n, dtype=torch.int32)
    out = reference.broadcast_lce(torch.randn(n, k, 6), torch.randn(9, k), request, index)
    torch.testing.assert_close(out, request[index.long()], rtol=0, atol=0)


@pytest.mark.parametrize("counts", [[2, 0, 1], [3]], ids=str)
def test_gradients_reach_every_input(counts: list[int]) -> None:  # by the definition, whatever form is chosen
    index, _ = candidate_index(counts, torch.device("cpu"))
    generator = torch.Generator().manual_seed(2)

    def leaf(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator).requires_grad_()

    x, weight, request = leaf(3, 7, 6), leaf(9, 7), leaf(len(counts), 9, 6)
    torch.autograd.backward(broadcast_lce(x, weight, request, index).square().sum())
    assert all(tensor.grad is not None and bool(tensor.grad.abs().sum() > 0) for tensor in (x, weight, request))


@pytest.mark.parametrize(
    ("n", "m", "d", "k", "k_request", "b", "gflop", "megabytes", "compute_us", "memory_us", "bound"),
    [
        (1024, 433, 256, 872, 1184, 15, 202, 698, 256, 162, "compute"),
        (1000, 256, 128, 256, 768, 1, 17, 132, 21, 31, "memory"),
        (4096, 256, 128, 256, 768, 4, 69, 538, 87, 125, "memory"),
        (10_000, 128, 64, 128, 384, 1, 21, 328, 27, 76, "memory"),
        (10_000, 256, 128, 256, 768, 1, 168, 1312, 212, 305, "memory"),
    ],
)
def test_the_roofline_is_the_plans_table(
    n: int, m: int, d: int, k: int, k_request: int, b: int,
    gflop: int, megabytes: int, compute_us: int, memory_us: int, bound: str,
) -> None:  # fmt: skip
    work, h200 = BroadcastLceWork(n, m, d, k, b), Ceilings(790e12, 4.3e12)
    flops = work.flops + 2 * b * m * d * k_request  # the table counts the request's own product as well
    num_bytes = work.bytes_moved + 2 * (m * k_request + b * k_request * d)
    assert (round(flops / 1e9), round(num_bytes / 1e6)) == (gflop, megabytes)
    assert (flops / 790e6, num_bytes / 4.3e6) == pytest.approx((compute_us, memory_us), abs=1)
    assert h200.bound(work) == bound
