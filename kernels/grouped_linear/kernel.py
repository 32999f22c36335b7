"""The Triton form: one launch whose programs walk through the tiles of all groups."""

from dataclasses import dataclass

import torch
import triton
import triton.language as tl

from kernels.checks import contiguous_rows
from kernels.grouped_linear.packed import PackedLinears
from kernels.hopper import ENOUGH_PROGRAMS

PROGRAMS = ENOUGH_PROGRAMS
VECTOR = 16  # where all widths are multiples of it, a load or store of eight bf16 never crosses a group


@dataclass(frozen=True, slots=True)
class Config:
    """Tile of rows, outputs (as in the table) and depth, and how it is run."""

    rows: int
    outputs: int
    depth: int
    num_warps: int
    num_stages: int


CONFIGS = {
    "narrow": Config(64, 32, 32, 4, 4),
    "square": Config(64, 64, 64, 4, 4),
    "wide": Config(128, 128, 64, 8, 3),
}
FP32_CONFIGS = {
    "narrow": Config(64, 32, 32, 4, 3),
    "square": Config(64, 64, 32, 4, 3),
    "wide": Config(64, 128, 32, 8, 3),  # twice as tall and as deep, it spills
}


def config_for(tile: int, itemsize: int) -> Config:
    """The configuration for tables of so many outputs a line."""
    configs = FP32_CONFIGS if itemsize == 4 else CONFIGS
    return next(config for config in configs.values() if config.outputs == tile)


@triton.jit
def grouped_linear_fwd_kernel(
    x, weight, bias, table, out,
    n, lines, stride_x, stride_o,
    IN_MULTIPLE: tl.constexpr, OUT_MULTIPLE: tl.constexpr, PRECISION: tl.constexpr,
    ROWS: tl.constexpr, OUTPUTS: tl.constexpr, DEPTH: tl.constexpr,
):  # fmt: skip
    """out[i, o + j] = act_g(sum_k x[i, a + k] * weight[w + j * s + k] + bias[o + j]) for every line (a, w, s, o, g)."""
    row_blocks = tl.cdiv(n, ROWS)
    for tile in range(tl.program_id(0), row_blocks * lines, tl.num_programs(0)):
        line = table + (tile // row_blocks) * 8
        x_at = tl.multiple_of(tl.load(line), IN_MULTIPLE)
        k = tl.multiple_of(tl.load(line + 1), IN_MULTIPLE)
        weight_at = tl.multiple_of(tl.load(line + 2), 16)
        stride_w = tl.multiple_of(tl.load(line + 3), 16)
        out_at = tl.multiple_of(tl.load(line + 4), OUT_MULTIPLE)
        width = tl.multiple_of(tl.load(line + 5), OUT_MULTIPLE)
        activation = tl.load(line + 6)

        rows = (tile % row_blocks).to(tl.int64) * ROWS + tl.arange(0, ROWS)
        cols, depth = tl.arange(0, OUTPUTS), tl.arange(0, DEPTH)
        row_in, col_in = rows < n, cols < width
        left_at = x + x_at + rows[:, None] * stride_x
        right_at = weight + weight_at + cols[None, :] * stride_w
        acc = tl.zeros((ROWS, OUTPUTS), dtype=tl.float32)
        for start in range(0, k, DEPTH):
            at = start + depth
            left = tl.load(left_at + at[None, :], row_in[:, None] & (at < k)[None, :], other=0.0)
            # The rows of weights end in zeros: up to their stride there is nothing to mask.
            right = tl.load(right_at + at[:, None], col_in[None, :] & (at < stride_w)[:, None], other=0.0)
            acc = tl.dot(left, right, acc, input_precision=PRECISION)
        acc += tl.load(bias + out_at + cols, col_in, other=0.0).to(tl.float32)[None, :]
        if activation == 1:
            acc = tl.maximum(acc, 0.0, propagate_nan=tl.PropagateNan.ALL)  # else NaN would be a zero like others
        elif activation == 2:
            acc = acc / (1.0 + tl.exp(-acc))
        elif activation == 3:
            acc = acc * tl.minimum(tl.maximum(acc + 3.0, 0.0), 6.0) / 6.0
        inside = row_in[:, None] & col_in[None, :]
        tl.store(out + out_at + rows[:, None] * stride_o + cols[None, :], acc.to(out.dtype.element_ty), inside)


def grouped_linear_triton(x: torch.Tensor, packed: PackedLinears, config: Config | None = None) -> torch.Tensor:
    """See `op.grouped_linear`, which checks; `x` must be contiguous in its last dimension."""
    n = x.shape[0]
    assert contiguous_rows(x, packed.weight, packed.bias)
    assert packed.table.is_contiguous()
    out = torch.empty((n, sum(packed.widths_out)), dtype=x.dtype, device=x.device)
    if n == 0:
        return out
    c = config or config_for(packed.tile, x.element_size())
    assert c.outputs == packed.tile
    lines = packed.table.shape[0]
    grid = (min(triton.cdiv(n, c.rows) * lines, PROGRAMS),)
    grouped_linear_fwd_kernel[grid](
        x, packed.weight, packed.bias, packed.table, out, n, lines, x.stride(0), out.stride(0),
        IN_MULTIPLE=_multiple(packed.widths_in), OUT_MULTIPLE=_multiple(packed.widths_out), PRECISION="ieee",
        ROWS=c.rows, OUTPUTS=c.outputs, DEPTH=c.depth, num_warps=c.num_warps, num_stages=c.num_stages,
    )  # fmt: skip
    return out


def _multiple(widths: tuple[int, ...]) -> int:
    return VECTOR if all(width % VECTOR == 0 for width in widths) else 1
