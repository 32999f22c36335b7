"""The Triton form: a tile of rows is loaded, decoded in registers and written where the ranker reads it."""

from dataclasses import dataclass

import torch
import triton
import triton.language as tl

from kernels.checks import contiguous_rows
from kernels.gather_dequant.wire import WireFormat

# Rounded after each step, as on a CPU: a multiply-add would give other bits. The op waits for memory all the same.
UNFUSED = {"enable_fp_fusion": False}


@dataclass(frozen=True, slots=True)
class Config:
    """Tile of rows and columns, and how it is run."""

    rows: int
    columns: int
    num_warps: int = 4


def config_for(d: int) -> Config:
    """Tiles of 2048 values: 16 a thread, one load of 16 bytes for eight bits each."""
    columns = min(max(triton.next_power_of_2(d), 16), 1024)
    return Config(2048 // columns, columns)


@triton.jit
def decode_tile(
    staging, at, found, cols, width, row_bytes,
    DTYPE: tl.constexpr, VALUES_AT: tl.constexpr, SCALE_AT: tl.constexpr, OFFSET_AT: tl.constexpr,
    CENTRE: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """Values [ROWS, COLUMNS] float32 of rows `at` [ROWS] int64 from column `cols`, zeros where not `found`."""
    row = staging + at * row_bytes
    inside = found[:, None] & (cols + tl.arange(0, COLUMNS) < width)[None, :]
    if DTYPE == "fp16":
        halves = (row + VALUES_AT).to(tl.pointer_type(tl.float16))
        value = tl.load(halves[:, None] + (cols + tl.arange(0, COLUMNS))[None, :], inside, other=0.0).to(tl.float32)
    elif DTYPE == "int4":
        pair = cols // 2 + tl.arange(0, COLUMNS // 2)
        either = found[:, None] & (pair * 2 < width)[None, :]
        byte = tl.load(row[:, None] + VALUES_AT + pair[None, :], either, other=0).to(tl.int32)
        value = tl.reshape(tl.join(byte & 15, byte >> 4), (at.shape[0], COLUMNS)).to(tl.float32)
    else:
        byte = tl.load(row[:, None] + VALUES_AT + (cols + tl.arange(0, COLUMNS))[None, :], inside, other=0)
        value = (byte.to(tl.float8e4nv, bitcast=True) if DTYPE == "fp8" else byte).to(tl.float32)
    if CENTRE != 0:
        value = value - CENTRE
    if SCALE_AT >= 0:
        value = value * tl.load((row + SCALE_AT).to(tl.pointer_type(tl.float32)), found, other=0.0)[:, None]
    if OFFSET_AT >= 0:
        value = value + tl.load((row + OFFSET_AT).to(tl.pointer_type(tl.float32)), found, other=0.0)[:, None]
    return tl.where(inside, value, 0.0)


@triton.jit
def gather_dequant_fwd_kernel(
    staging, slot, default, out, hit, pairs, features, kinds, width, row_bytes, stride_n, stride_f,
    DTYPE: tl.constexpr, VALUES_AT: tl.constexpr, SCALE_AT: tl.constexpr, OFFSET_AT: tl.constexpr,
    CENTRE: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """out[n, f] = the row at slot[n, f], or default[f, -1 - slot]; one program per tile of pairs (n, f) and columns."""
    pair = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    start = tl.program_id(1) * COLUMNS
    cols = start + tl.arange(0, COLUMNS)
    pair_in, col_in = pair < pairs, cols < width
    at = tl.load(slot + pair, pair_in, other=-1).to(tl.int64)
    found = pair_in & (at >= 0)
    value = decode_tile(staging, at, found, start, width, row_bytes, DTYPE, VALUES_AT, SCALE_AT, OFFSET_AT, CENTRE,
                        COLUMNS)  # fmt: skip
    feature = pair % features
    kind = tl.minimum(-1 - at, kinds - 1)
    missing = (pair_in & (at < 0))[:, None] & col_in[None, :]
    learned = tl.load(default + ((feature * kinds + kind) * width)[:, None] + cols[None, :], missing, other=0.0)
    value = tl.where(missing, learned.to(tl.float32), value)
    place = (pair // features) * stride_n + feature * stride_f
    tl.store(out + place[:, None] + cols[None, :], value.to(out.dtype.element_ty), pair_in[:, None] & col_in[None, :])
    tl.store(hit + pair, found.to(tl.uint8), pair_in & (tl.program_id(1) == 0))


@triton.jit
def gather_dequant_pool_fwd_kernel(
    staging, slot, bag_offsets, default, out, hit, bags, width, row_bytes,
    DTYPE: tl.constexpr, VALUES_AT: tl.constexpr, SCALE_AT: tl.constexpr, OFFSET_AT: tl.constexpr,
    CENTRE: tl.constexpr, MEAN: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """out[m] = sum or mean of the rows of bag m that were found, one program per tile of bags and columns."""
    bag = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    start = tl.program_id(1) * COLUMNS
    cols = start + tl.arange(0, COLUMNS)
    bag_in, col_in = bag < bags, cols < width
    begin = tl.load(bag_offsets + bag, bag_in, other=0)
    length = tl.load(bag_offsets + bag + 1, bag_in, other=0) - begin
    acc = tl.zeros((ROWS, COLUMNS), dtype=tl.float32)
    count = tl.zeros((ROWS,), dtype=tl.int32)
    for i in range(0, tl.max(length, axis=0)):
        at = tl.load(slot + begin.to(tl.int64) + i, i < length, other=-1).to(tl.int64)
        found = (i < length) & (at >= 0)
        acc += decode_tile(staging, at, found, start, width, row_bytes, DTYPE, VALUES_AT, SCALE_AT, OFFSET_AT, CENTRE,
                           COLUMNS)  # fmt: skip
        count += found.to(tl.int32)
    if MEAN:
        acc = acc / tl.maximum(count, 1).to(tl.float32)[:, None]
    learned = tl.load(default + cols, col_in, other=0.0).to(tl.float32)
    value = tl.where((count > 0)[:, None], acc, learned[None, :])
    inside = bag_in[:, None] & col_in[None, :]
    tl.store(out + bag[:, None] * width + cols[None, :], value.to(out.dtype.element_ty), inside)
    tl.store(hit + bag, (count > 0).to(tl.uint8), bag_in & (tl.program_id(1) == 0))


def gather_dequant_triton(
    staging: torch.Tensor,
    slot: torch.Tensor,
    default: torch.Tensor,
    wire: WireFormat,
    out: torch.Tensor,
    config: Config | None = None,
) -> torch.Tensor:
    """See `op.gather_dequant`, which checks; fills `out` and returns the hits."""
    (n, features), d = slot.shape, wire.width
    assert staging.is_contiguous()
    assert slot.is_contiguous()
    assert default.is_contiguous()
    assert contiguous_rows(out)
    hit = torch.empty((n, features), dtype=torch.bool, device=slot.device)
    if slot.numel() == 0:
        return hit
    c = config or config_for(d)
    gather_dequant_fwd_kernel[(triton.cdiv(slot.numel(), c.rows), triton.cdiv(d, c.columns))](
        staging, slot, default, out, hit.view(torch.uint8), slot.numel(), features, default.shape[1], d,
        staging.shape[1], out.stride(0), out.stride(1), **constants_of(wire), ROWS=c.rows, COLUMNS=c.columns,
        num_warps=c.num_warps, **UNFUSED,
    )  # fmt: skip
    return hit


def gather_dequant_pool_triton(
    staging: torch.Tensor,
    slot: torch.Tensor,
    bag_offsets: torch.Tensor,
    default: torch.Tensor,
    wire: WireFormat,
    mode: str,
    dtype: torch.dtype,
    config: Config | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """See `op.gather_dequant_pool`, which checks."""
    bags, d = bag_offsets.shape[0] - 1, wire.width
    assert staging.is_contiguous()
    assert contiguous_rows(slot, bag_offsets, default)
    out = torch.empty((bags, d), dtype=dtype, device=slot.device)
    hit = torch.empty(bags, dtype=torch.bool, device=slot.device)
    if bags == 0:
        return out, hit
    c = config or config_for(d)
    gather_dequant_pool_fwd_kernel[(triton.cdiv(bags, c.rows), triton.cdiv(d, c.columns))](
        staging, slot, bag_offsets, default, out, hit.view(torch.uint8), bags, d, staging.shape[1],
        **constants_of(wire), MEAN=mode == "mean", ROWS=c.rows, COLUMNS=c.columns, num_warps=c.num_warps, **UNFUSED,
    )  # fmt: skip
    return out, hit


def constants_of(wire: WireFormat) -> dict[str, object]:
    """What both kernels are built for: where a row of this format has what."""
    return {
        "DTYPE": wire.dtype,
        "VALUES_AT": wire.values_at,
        "SCALE_AT": -1 if wire.scale_at is None else wire.scale_at,
        "OFFSET_AT": -1 if wire.offset_at is None else wire.offset_at,
        "CENTRE": wire.centre,
    }
