"""The Triton form: a tiled matrix product that adds the request's part, by index, before it writes."""

from dataclasses import dataclass

import torch
import triton
import triton.language as tl

from kernels.broadcast_linear.reference import ACTIVATIONS
from kernels.compile_case import CompileCase

GROUP_ROWS = 8  # tiles of so many row blocks run together and find their weights in L2


@dataclass(frozen=True, slots=True)
class Config:
    """Tile of rows, outputs and depth, and how it is run."""

    rows: int
    outputs: int
    depth: int
    num_warps: int
    num_stages: int


CONFIGS = {
    "small": Config(64, 64, 64, 4, 4),  # few candidates: enough programs for 132 multiprocessors
    "wide": Config(128, 128, 64, 8, 4),
}


def config_for(n: int, h: int) -> Config:
    """The largest tile that still gives every multiprocessor of a Hopper GPU two of them."""
    wide = CONFIGS["wide"]
    enough = triton.cdiv(n, wide.rows) * triton.cdiv(h, wide.outputs) >= 264
    return wide if enough else CONFIGS["small"]


@triton.jit
def broadcast_linear_fwd_kernel(
    x, weight, request, cand_to_user, out,
    n, h, k, stride_x, stride_w, stride_r, stride_o,
    ACTIVATION: tl.constexpr, PRECISION: tl.constexpr,
    ROWS: tl.constexpr, OUTPUTS: tl.constexpr, DEPTH: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    """out[i, j] = act(sum_k x[i, k] * weight[j, k] + request[cand_to_user[i], j]), one program per tile."""
    row_block, col_block = tl.swizzle2d(
        tl.program_id(0) // tl.cdiv(h, OUTPUTS), tl.program_id(0) % tl.cdiv(h, OUTPUTS),
        tl.cdiv(n, ROWS), tl.cdiv(h, OUTPUTS), GROUP,
    )  # fmt: skip
    rows = row_block.to(tl.int64) * ROWS + tl.arange(0, ROWS)
    cols = col_block.to(tl.int64) * OUTPUTS + tl.arange(0, OUTPUTS)
    depth = tl.arange(0, DEPTH)
    row_in, col_in = rows < n, cols < h
    acc = tl.zeros((ROWS, OUTPUTS), dtype=tl.float32)
    for start in range(0, k, DEPTH):
        at = start + depth
        left = tl.load(x + rows[:, None] * stride_x + at[None, :], row_in[:, None] & (at < k)[None, :], other=0.0)
        right = tl.load(weight + cols[None, :] * stride_w + at[:, None], col_in[None, :] & (at < k)[:, None], other=0.0)
        acc = tl.dot(left, right, acc, input_precision=PRECISION)
    user = tl.load(cand_to_user + rows, row_in, other=0).to(tl.int64)
    inside = row_in[:, None] & col_in[None, :]
    acc += tl.load(request + user[:, None] * stride_r + cols[None, :], inside, other=0.0).to(tl.float32)
    if ACTIVATION == "relu":
        acc = tl.maximum(acc, 0.0)
    elif ACTIVATION == "silu":
        acc = acc / (1.0 + tl.exp(-acc))
    elif ACTIVATION == "hardswish":
        acc = acc * tl.minimum(tl.maximum(acc + 3.0, 0.0), 6.0) / 6.0
    tl.store(out + rows[:, None] * stride_o + cols[None, :], acc.to(out.dtype.element_ty), inside)


def broadcast_linear_triton(
    x: torch.Tensor,
    weight: torch.Tensor,
    request: torch.Tensor,
    cand_to_user: torch.Tensor,
    activation: str = "none",
    config: Config | None = None,
) -> torch.Tensor:
    """See `op.broadcast_linear`, which checks; the last dimension of every tensor must be contiguous."""
    (n, k), h = x.shape, weight.shape[0]
    assert x.stride(1) == weight.stride(1) == request.stride(1) == cand_to_user.stride(0) == 1
    assert activation in ACTIVATIONS
    out = torch.empty((n, h), dtype=x.dtype, device=x.device)
    if n == 0 or h == 0:
        return out
    c = config or config_for(n, h)
    grid = (triton.cdiv(n, c.rows) * triton.cdiv(h, c.outputs),)
    broadcast_linear_fwd_kernel[grid](
        x, weight, request, cand_to_user, out, n, h, k,
        x.stride(0), weight.stride(0), request.stride(0), out.stride(0),
        ACTIVATION=activation, PRECISION="ieee", ROWS=c.rows, OUTPUTS=c.outputs, DEPTH=c.depth, GROUP=GROUP_ROWS,
        num_warps=c.num_warps, num_stages=c.num_stages,
    )  # fmt: skip
    return out


def compile_cases() -> list[CompileCase]:
    """Every shipped configuration in bf16."""
    return [
        CompileCase(
            name=f"bf16-{name}",
            kernel=broadcast_linear_fwd_kernel,
            signature={
                **dict.fromkeys(("x", "weight", "request", "out"), "*bf16"),
                "cand_to_user": "*i32",
                **dict.fromkeys(("n", "h", "k", "stride_x", "stride_w", "stride_r", "stride_o"), "i32"),
            },
            constants={
                "ACTIVATION": "silu", "PRECISION": "ieee", "ROWS": c.rows, "OUTPUTS": c.outputs, "DEPTH": c.depth,
                "GROUP": GROUP_ROWS,
            },
            num_warps=c.num_warps,
            num_stages=c.num_stages,
            aligned=(
                "x", "weight", "request", "cand_to_user", "out",
                "h", "k", "stride_x", "stride_w", "stride_r", "stride_o",
            ),
            needs=("HGMMA", "LDGSTS.E.BYPASS.128|LDGSTS.E.BYPASS.LTC128B.128", "STG.E.128"),
            forbids=("HMMA",),
        )
        for name, c in CONFIGS.items()
    ]  # fmt: skip
