"""The PyTorch form in float64, its gradients, and the packing."""

from dataclasses import replace

import pytest
import torch

from kernels.grouped_linear import reference
from kernels.grouped_linear.roofline import GroupedLinearWork
from tests.unit.kernels.grouped_linear.groups import Groups

CPU = torch.device("cpu")


@pytest.mark.parametrize("shapes", [[(5, 7)], [(24, 40), (7, 3), (33, 16)], [(8, 6)] * 5], ids=str)
def test_the_pytorch_form_is_the_definition(shapes: list[tuple[int, int]]) -> None:
    groups = Groups(shapes, torch.float32, CPU)
    x, packed = groups.rows(11).double(), groups.packed()
    packed = replace(packed, weight=packed.weight.double(), bias=packed.bias.double())
    torch.testing.assert_close(reference.grouped_linear(x, packed), groups.exact(x), rtol=1e-12, atol=1e-12)


def test_gradients_reach_rows_weights_and_biases() -> None:
    groups = Groups([(24, 40), (7, 3), (5, 6)], torch.float32, CPU)
    x = groups.rows(5).requires_grad_()
    leaves = [x, *groups.weights, *(bias for bias in groups.biases if bias is not None)]
    for leaf in leaves:
        leaf.requires_grad_()
    found = torch.autograd.grad(reference.grouped_linear(x, groups.packed()).square().sum(), leaves)
    expected = torch.autograd.grad(groups.exact(x).square().sum(), leaves)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_packing_keeps_the_weights_and_starts_with_the_deepest_group() -> None:
    groups = Groups([(7, 3), (33, 40), (16, 16)], torch.float32, CPU)
    packed = groups.packed(tile=32)
    assert all(torch.equal(a, b) for a, b in zip(packed.weights(), groups.weights, strict=True))
    assert packed.table.tolist() == [
        # columns of x from, K, weights from, a row, outputs from, outputs, activation
        [7, 33, 48, 48, 3, 32, 1, 0],
        [7, 33, 48 + 32 * 48, 48, 35, 8, 1, 0],
        [40, 16, 48 + 40 * 48, 16, 43, 16, 2, 0],
        [0, 7, 0, 16, 0, 3, 0, 0],
    ]


def test_the_work_is_that_of_the_blocks_alone() -> None:
    work = GroupedLinearWork(1000, [32, 64], [16, 8])
    assert work.flops == 1000 * (2 * (32 * 16 + 64 * 8) + 24)
    assert work.bytes_moved == 2 * (1000 * (96 + 24) + 1024 + 24)
