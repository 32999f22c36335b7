"""NaN in a stored row or in a default reaches those who ask for it, and nobody else."""

import pytest
import torch

from kernels.backend import Backend
from kernels.gather_dequant.op import gather_dequant, gather_dequant_pool
from kernels.gather_dequant.wire import WireFormat
from tests.unit.kernels.gather_dequant.rows import WIRES, staging_of

# What the interpreter's own arithmetic says of it.
pytestmark = pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
BOTH = pytest.mark.parametrize("backend", ["reference", "triton"], indirect=True)
FORMATS = pytest.mark.parametrize("wire", WIRES, ids=str)
SIZES = pytest.mark.parametrize("num_rows", [4, 40])  # each asked for more than once, or most never


def with_nan(staging: torch.Tensor, wire: WireFormat, row: int) -> torch.Tensor:
    """The same with every value of one row NaN: by its scale where it has one, else by the values."""
    spoilt = staging.clone()
    if wire.scale_at is None:
        spoilt[row, wire.values_at : wire.values_at + wire.num_bytes] = 0x7F
    else:
        nan = torch.full((1,), float("nan"), device=staging.device)
        spoilt[row, wire.scale_at : wire.scale_at + 4] = nan.view(torch.uint8)
    return spoilt


@BOTH
@FORMATS
@SIZES
@pytest.mark.parametrize("row", [0, 3])
def test_a_row_of_nan_reaches_those_who_have_it(
    row: int, num_rows: int, wire: WireFormat, backend: Backend, device: torch.device
) -> None:
    slot = torch.tensor([[0, -1], [3, 2], [-1, -2], [1, 0], [3, 3]], dtype=torch.int32, device=device)
    staging = staging_of(num_rows, wire, device)
    default = torch.ones(2, 2, wire.width, device=device)
    before, _ = gather_dequant(staging, slot, default, wire)
    after, _ = gather_dequant(with_nan(staging, wire, row), slot, default, wire)
    assert after[slot == row].isnan().all()
    assert torch.equal(after[slot != row], before[slot != row])


@BOTH
@FORMATS
@SIZES
def test_a_default_of_nan_reaches_the_misses_of_its_feature(
    num_rows: int, wire: WireFormat, backend: Backend, device: torch.device
) -> None:
    slot = torch.tensor([[0, -1], [3, 2], [-1, -2], [1, 0], [-2, 3]], dtype=torch.int32, device=device)
    default = torch.ones(2, 2, wire.width, device=device)
    default[0, 1] = float("nan")
    values, _ = gather_dequant(staging_of(num_rows, wire, device), slot, default, wire)
    expected = torch.zeros_like(slot, dtype=torch.bool)
    expected[4, 0] = True
    assert torch.equal(values.isnan().all(-1), expected)
    assert not values[~expected].isnan().any()


@BOTH
@FORMATS
@SIZES
@pytest.mark.parametrize("mode", ["sum", "mean"])
@pytest.mark.parametrize("row", [0, 3])
def test_a_row_of_nan_reaches_the_bags_that_have_it(
    row: int, mode: str, num_rows: int, wire: WireFormat, backend: Backend, device: torch.device
) -> None:
    bags = [[0, 1], [2, -1], [], [-1], [3, 3, 1], [-1, 2], [0]]
    slot = torch.tensor([one for bag in bags for one in bag], dtype=torch.int32, device=device)
    offsets = torch.tensor([0, *map(len, bags)], device=device).cumsum(0).to(torch.int32)
    staging, default = staging_of(num_rows, wire, device), torch.ones(wire.width, device=device)
    before, _ = gather_dequant_pool(staging, slot, offsets, default, wire, mode=mode)
    after, _ = gather_dequant_pool(with_nan(staging, wire, row), slot, offsets, default, wire, mode=mode)
    spoilt = torch.tensor([row in bag for bag in bags], device=device)
    assert after[spoilt].isnan().all()
    assert torch.equal(after[~spoilt], before[~spoilt])
