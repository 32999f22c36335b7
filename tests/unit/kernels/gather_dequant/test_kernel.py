"""Bit for bit against values read byte by byte: found, missed, at every tier, for every dtype on the wire."""

import pytest
import torch

from kernels.gather_dequant import reference
from kernels.gather_dequant.kernel import Config, gather_dequant_pool_triton, gather_dequant_triton
from kernels.gather_dequant.op import gather_dequant, gather_dequant_pool
from kernels.gather_dequant.wire import WireFormat
from tests.unit.kernels.close import assert_close
from tests.unit.kernels.gather_dequant.rows import WIRES, naive_rows, staging_of

TINY = Config(16, 16)


def slots(shape: tuple[int, ...], num_rows: int, kinds: int, device: torch.device, seed: int = 1) -> torch.Tensor:
    """Some found, some missed at each tier, one beyond the last tier."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-kinds - 1, num_rows, shape, generator=generator).to(device, torch.int32)


def defaults(features: int, kinds: int, width: int, device: torch.device) -> torch.Tensor:
    return torch.randn(features, kinds, width, generator=torch.Generator().manual_seed(2)).to(device)


def exact(staging: torch.Tensor, slot: torch.Tensor, default: torch.Tensor, wire: WireFormat) -> torch.Tensor:
    rows, kinds = naive_rows(staging, wire), default.shape[1]
    pick = [
        [rows[at] if at >= 0 else default[f, min(-1 - at, kinds - 1)].cpu() for f, at in enumerate(line)]
        for line in slot.tolist()
    ]
    return torch.stack([torch.stack(line) for line in pick])


@pytest.mark.parametrize("num_rows", [4, 60], ids=["shared", "many"])
@pytest.mark.parametrize("wire", WIRES, ids=str)
def test_every_bit_is_that_of_the_row_or_the_default(wire: WireFormat, num_rows: int, device: torch.device) -> None:
    staging, slot = staging_of(num_rows, wire, device), slots((9, 3), num_rows, 2, device)
    default = defaults(3, 2, wire.width, device)
    expected = exact(staging, slot, default, wire)
    out = torch.empty(9, 3, wire.width, device=device)
    hit = gather_dequant_triton(staging, slot, default, wire, out, TINY)
    values, hit_too = reference.gather_dequant(staging, slot, default, wire, torch.float32)
    for given, found in ((out, hit), (values, hit_too)):
        assert torch.equal(given.cpu(), expected)
        assert torch.equal(found, slot >= 0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_a_shorter_output_is_rounded_once(dtype: torch.dtype, device: torch.device) -> None:
    wire = WIRES[1]
    staging, slot = staging_of(5, wire, device), slots((7, 2), 5, 1, device)
    default = defaults(2, 1, wire.width, device)
    values, _ = gather_dequant(staging, slot, default[:, 0], wire, dtype=dtype)
    assert torch.equal(values.cpu(), exact(staging, slot, default, wire).to(dtype))


def test_the_output_may_be_columns_of_a_wider_input(device: torch.device) -> None:
    wire = WIRES[0]
    staging, slot = staging_of(5, wire, device), slots((7, 2), 5, 1, device)
    default = defaults(2, 1, wire.width, device)
    wide = torch.zeros(7, 5, wire.width, device=device)
    values, _ = gather_dequant(staging, slot, default, wire, out=wide[:, 2:4])
    assert torch.equal(wide[:, 2:4].cpu(), exact(staging, slot, default, wire))
    assert values.data_ptr() == wide[:, 2:4].data_ptr()
    assert not wide[:, :2].any()
    assert not wide[:, 4:].any()


def test_nothing_stored_gives_defaults_alone(device: torch.device) -> None:
    wire = WIRES[1]
    staging, slot = staging_of(0, wire, device), torch.full((3, 2), -1, dtype=torch.int32, device=device)
    default = defaults(2, 1, wire.width, device)
    values, hit = gather_dequant(staging, slot, default, wire)
    assert torch.equal(values, default[:, 0].expand(3, -1, -1))
    assert not hit.any()
    assert torch.equal(reference.gather_dequant(staging, slot, default, wire, torch.float32)[0], values)


def test_no_candidates_give_no_values(device: torch.device) -> None:
    wire = WIRES[1]
    slot = torch.zeros(0, 2, dtype=torch.int32, device=device)
    values, hit = gather_dequant(staging_of(3, wire, device), slot, defaults(2, 1, wire.width, device), wire)
    assert (values.shape, hit.shape) == ((0, 2, wire.width), (0, 2))


def pooled(
    staging: torch.Tensor, slot: torch.Tensor, lengths: list[int], default: torch.Tensor, wire: WireFormat, mode: str
) -> tuple[torch.Tensor, list[bool]]:
    rows, bags, hits = naive_rows(staging, wire).double(), [], []
    for bag in torch.split(slot.cpu(), lengths):
        found = rows[bag[bag >= 0].long()]
        hits.append(len(found) > 0)
        bags.append((found.sum(0) if mode == "sum" else found.mean(0)) if hits[-1] else default.double().cpu())
    return torch.stack(bags), hits


@pytest.mark.parametrize("mode", ["sum", "mean"])
@pytest.mark.parametrize("num_rows", [9, 40])  # each asked for more than once, or some never
@pytest.mark.parametrize("wire", WIRES, ids=str)
def test_a_bag_is_the_sum_or_the_mean_of_what_was_found(
    wire: WireFormat, num_rows: int, mode: str, device: torch.device
) -> None:
    lengths = [3, 0, 7, 1, 1, 12]
    staging, slot = staging_of(num_rows, wire, device), slots((24,), num_rows, 1, device)
    slot[10] = -1  # a bag of one miss
    default = defaults(1, 1, wire.width, device)[0, 0]
    offsets = torch.tensor([0, *lengths], device=device).cumsum(0).to(torch.int32)
    expected, found = pooled(staging, slot, lengths, default, wire, mode)
    assert found.count(False) >= 2
    for values, hit in (
        gather_dequant_pool_triton(staging, slot, offsets, default, wire, mode, torch.float32, TINY),
        reference.gather_dequant_pool(staging, slot, offsets, default, wire, mode, torch.float32),
    ):
        assert_close(values, expected)
        assert hit.tolist() == found


def test_the_shipped_tiles_agree(device: torch.device) -> None:
    for wire in WIRES:
        staging, slot = staging_of(5, wire, device), slots((3, 2), 5, 1, device)
        default = defaults(2, 1, wire.width, device)
        values, _ = gather_dequant(staging, slot, default, wire)
        assert torch.equal(values.cpu(), exact(staging, slot, default, wire))


def test_what_does_not_fit_is_named(device: torch.device) -> None:
    wire = WIRES[1]
    staging, slot = staging_of(3, wire, device), torch.zeros(4, 2, dtype=torch.int32, device=device)
    default = defaults(2, 1, wire.width, device)
    with pytest.raises(ValueError, match="staging has rows of 80 bytes; this format has 88 or more"):
        gather_dequant(staging[:, :80], slot, default, wire)
    with pytest.raises(ValueError, match=r"default is \[1, 1, 24\]"):
        gather_dequant(staging, slot, default[:1], wire)
    with pytest.raises(ValueError, match="slot is int64; allowed is int32"):
        gather_dequant(staging, slot.long(), default, wire)
    with pytest.raises(ValueError, match="mode is 'max'; allowed are sum, mean"):
        gather_dequant_pool(staging, slot[0], slot[0], default[0, 0], wire, mode="max")
    with pytest.raises(ValueError, match="dtype is 'int2'; allowed are fp16, int8, int4, fp8"):
        WireFormat("int2", 4, 0)
    with pytest.raises(ValueError, match="scale_at is 6; allowed are multiples of 4"):
        WireFormat("int8", 4, 16, 6)
