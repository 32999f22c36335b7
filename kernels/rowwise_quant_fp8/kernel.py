"""The Triton form: a program holds whole rows in registers, so they are read once and written once."""

import torch
import triton
import triton.language as tl

from kernels.checks import contiguous_rows
from kernels.rowwise_quant_fp8.config import MAX_WIDTH, Config, config_for
from kernels.rowwise_quant_fp8.reference import E4M3, E4M3_MAX, EPS, LEAST, PRES


@triton.jit
def rowwise_quant_fp8_fwd_kernel(
    x, values, scale, n, k, width, stride_x, stride_v,
    PRE: tl.constexpr, EPSILON: tl.constexpr, LIMIT: tl.constexpr, SMALLEST: tl.constexpr,
    ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """values[i] * scale[i] ~ pre(x[i]), with the largest magnitude of a row at LIMIT."""
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    cols = tl.arange(0, BLOCK)
    row_in = rows < n
    inside = row_in[:, None] & (cols < k)[None, :]
    y = tl.load(x + rows[:, None] * stride_x + cols[None, :], inside, other=0.0).to(tl.float32)
    finite = tl.min((tl.abs(y) < float("inf")).to(tl.int32), axis=1) > 0
    y = tl.where(finite[:, None], y, 0.0)  # what a row of NaN would do to the maximum differs between machines
    if PRE == "rms":
        mean = tl.sum(y * y, axis=1) / k
        y = y * tl.rsqrt(mean + EPSILON)[:, None]
        finite = finite & (mean < float("inf"))
    elif PRE == "silu":
        small = tl.exp(-tl.abs(y))  # never overflows
        y = y * tl.where(y >= 0.0, 1.0, small) / (1.0 + small)
    elif PRE == "hardswish":
        y = y * tl.minimum(tl.maximum(y + 3.0, 0.0), 6.0) / 6.0
    largest = tl.maximum(tl.max(tl.abs(y), axis=1), SMALLEST)
    finite = finite & (largest < float("inf"))
    y = tl.where(finite[:, None], y * tl.div_rn(LIMIT + tl.zeros_like(largest), largest)[:, None], 0.0)
    y = tl.minimum(tl.maximum(y, -LIMIT), LIMIT)
    out = row_in[:, None] & (cols < width)[None, :]
    tl.store(values + rows[:, None] * stride_v + cols[None, :], y.to(values.dtype.element_ty), out)
    unit = tl.where(finite, tl.div_rn(largest, LIMIT + tl.zeros_like(largest)), float("nan"))
    tl.store(scale + rows, unit, row_in)


def rowwise_quant_fp8_triton(
    x: torch.Tensor, pre: str = "none", width: int | None = None, config: Config | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """See `op.rowwise_quant_fp8`, which checks; the last dimension of `x` must be contiguous."""
    n, k = x.shape
    width = k if width is None else width
    assert contiguous_rows(x)
    assert pre in PRES
    assert k <= width <= MAX_WIDTH
    values = torch.empty((n, width), dtype=E4M3, device=x.device)
    scale = torch.empty(n, dtype=torch.float32, device=x.device)
    if n == 0:
        return values, scale
    c = config or config_for(width)
    assert c.block >= width
    rowwise_quant_fp8_fwd_kernel[(triton.cdiv(n, c.rows),)](
        x, values, scale, n, k, width, x.stride(0), values.stride(0),
        PRE=pre, EPSILON=EPS, LIMIT=E4M3_MAX, SMALLEST=LEAST, ROWS=c.rows, BLOCK=c.block, num_warps=c.num_warps,
    )  # fmt: skip
    return values, scale
