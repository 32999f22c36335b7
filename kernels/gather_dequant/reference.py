"""The definition, in plain PyTorch: differentiable in the defaults, any device."""

import torch
import torch.nn.functional as F

from kernels.gather_dequant.wire import WireFormat


def gather_dequant(
    staging: torch.Tensor, slot: torch.Tensor, default: torch.Tensor, wire: WireFormat, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """Values [N, F, d] and hits [N, F]; see `op.gather_dequant`."""
    (n, features), num_rows = slot.shape, staging.shape[0]
    hit = slot >= 0
    first = torch.arange(features, device=slot.device) * default.shape[1]
    missing = (-1 - slot).clamp(0, default.shape[1] - 1) + first  # [N, F] rows of the defaults
    filled = default.flatten(0, 1)
    if num_rows <= slot.numel():  # rows are asked for more than once: each is decoded once, then only copied
        table = torch.cat([decode(staging, wire).to(dtype), filled.to(dtype)])
        values = table.index_select(0, torch.where(hit, slot, missing + num_rows).flatten())
    else:
        rows = decode(staging.index_select(0, slot.clamp(min=0).flatten()), wire).to(dtype)
        values = torch.where(hit.view(-1, 1), rows, filled.to(dtype).index_select(0, missing.flatten()))
    return values.view(n, features, wire.width), hit


def gather_dequant_pool(
    staging: torch.Tensor,
    slot: torch.Tensor,
    bag_offsets: torch.Tensor,
    default: torch.Tensor,
    wire: WireFormat,
    mode: str,
    dtype: torch.dtype,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Values [M, d] and hits [M]; see `op.gather_dequant_pool`."""
    hit = slot >= 0
    seen = F.pad(hit.cumsum(0), (1, 0))
    counts = (seen[bag_offsets[1:].long()] - seen[bag_offsets[:-1].long()])[:, None]  # [M, 1]
    row = slot
    if staging.shape[0] > slot.shape[0]:  # more rows than anybody asks for: only those are decoded
        staging = staging.index_select(0, slot.clamp(min=0))
        row = torch.arange(slot.shape[0], dtype=slot.dtype, device=slot.device)
    table = F.pad(decode(staging, wire), (0, 0, 0, 1))  # a row of zeros for misses: zero times NaN would be NaN
    row = torch.where(hit, row, staging.shape[0])
    sums = F.embedding_bag(row, table, bag_offsets, mode="sum", include_last_offset=True)
    pooled = sums / counts.clamp(min=1) if mode == "mean" else sums
    return torch.where(counts > 0, pooled, default.float()).to(dtype), counts[:, 0] > 0


def decode(rows: torch.Tensor, wire: WireFormat) -> torch.Tensor:
    """Rows [S, row_bytes] uint8 as values [S, width] float32, rounded after each step as the wire format says."""
    data = rows[:, wire.values_at : wire.values_at + wire.num_bytes].contiguous()
    match wire.dtype:
        case "fp16":
            values = data.view(torch.float16).float()
        case "fp8":
            # By a table of all 256: PyTorch converts them one by one on a CPU, ten times slower than it gathers.
            codes = torch.arange(256, dtype=torch.uint8, device=data.device).view(torch.float8_e4m3fn).float()
            values = codes.index_select(0, data.flatten().int()).view_as(data)
        case "int4":
            values = torch.stack([data & 15, data >> 4], dim=2).flatten(1)[:, : wire.width].float()
        case _:
            values = data.float()
    if wire.centre:
        values = values - wire.centre
    if wire.scale_at is not None:
        values = values * _float_at(rows, wire.scale_at)
    if wire.offset_at is not None:
        values = values + _float_at(rows, wire.offset_at)
    return values


def _float_at(rows: torch.Tensor, at: int) -> torch.Tensor:
    return rows[:, at : at + 4].contiguous().view(torch.float32)  # [S, 1]
