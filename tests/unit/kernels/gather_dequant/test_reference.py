"""Defaults learn, and the roofline has the plan's numbers."""

import pytest
import torch

from kernels.gather_dequant.op import gather_dequant
from kernels.gather_dequant.roofline import GatherDequantPoolWork, GatherDequantWork
from tests.unit.kernels.gather_dequant.rows import WIRES, staging_of


def test_the_defaults_learn_from_every_miss(device: torch.device) -> None:
    wire = WIRES[1]
    slot = torch.tensor([[0, -1], [-1, -2], [-2, 2]], dtype=torch.int32, device=device)
    default = torch.zeros(2, 2, wire.width, device=device, requires_grad=True)
    values, _ = gather_dequant(staging_of(3, wire, device), slot, default, wire)
    values.sum().backward()  # type: ignore[no-untyped-call]
    assert default.grad is not None
    assert default.grad[:, :, 0].tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize(("n", "features", "d", "megabytes"), [(10_000, 64, 64, 128), (10_000, 128, 128, 502)])
def test_the_work_is_that_of_the_plan(n: int, features: int, d: int, megabytes: int) -> None:
    work = GatherDequantWork(n, features, d)
    assert round((work.bytes_moved - 4 * n * features) / 1e6) == megabytes  # the plan leaves the slots out


def test_the_work_of_bags_writes_each_once() -> None:
    work = GatherDequantPoolWork(bags=1000, slots=10_000, d=64, hit_rate=0.9)
    assert work.flops == 3 * 9000 * 64 + 1000 * 64
    assert work.bytes_moved == 9000 * 72 + 4 * 11_001 + 1000 * 129
