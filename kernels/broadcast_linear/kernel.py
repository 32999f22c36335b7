"""The Triton form: a tiled matrix product that adds the request's part, by index, before it finishes and writes."""

import torch
import triton
import triton.language as tl
from triton.tools.tensor_descriptor import TensorDescriptor

from kernels.broadcast_linear.config import (
    FINISH_OUTPUTS,
    FINISH_ROWS,
    FP8_PROMOTE,
    GROUP_ROWS,
    Config,
    config_for,
)
from kernels.broadcast_linear.epilogue import BlockNorm, Cross, Epilogue, Normed
from kernels.broadcast_linear.reference import ACTIVATIONS
from kernels.checks import contiguous_rows


@triton.jit
def _activated(y, ACTIVATION: tl.constexpr):
    if ACTIVATION == "relu":
        y = tl.maximum(y, 0.0, propagate_nan=tl.PropagateNan.ALL)  # else NaN would be a zero like others
    elif ACTIVATION == "silu":
        y = y / (1.0 + tl.exp(-y))
    elif ACTIVATION == "hardswish":
        y = y * tl.minimum(tl.maximum(y + 3.0, 0.0), 6.0) / 6.0
    return y


@triton.jit
def _finished(
    y, rows, cols, n, h, request, cand_to_user, stride_r,
    x0, x1, stride_x0, stride_x1, rstd, mean, gain, offset, eps,
    EPILOGUE: tl.constexpr, ACTIVATION: tl.constexpr,
):  # fmt: skip
    """The request's part, the epilogue and the activation of the float32 outputs y at [rows, cols]."""
    row_in, col_in = rows < n, cols < h
    inside = row_in[:, None] & col_in[None, :]
    user = tl.load(cand_to_user + rows, row_in, other=0).to(tl.int64)
    first, last = tl.min(user), tl.max(user)
    if first == last:  # most tiles lie in one request: one row of its part instead of one for each candidate
        y += tl.load(request + first * stride_r + cols, col_in, other=0.0).to(tl.float32)[None, :]
    else:
        y += tl.load(request + user[:, None] * stride_r + cols[None, :], inside, other=0.0).to(tl.float32)
    if EPILOGUE == "cross":
        y *= tl.load(x0 + rows[:, None] * stride_x0 + cols[None, :], inside, other=0.0).to(tl.float32)
        y += tl.load(x1 + rows[:, None] * stride_x1 + cols[None, :], inside, other=0.0).to(tl.float32)
    elif EPILOGUE == "normed":
        if mean is not None:
            y -= tl.load(mean + rows, row_in, other=0.0)[:, None] * tl.load(gain + cols, col_in, other=0.0)[None, :]
        y *= tl.load(rstd + rows, row_in, other=0.0)[:, None]
        y += tl.load(offset + cols, col_in, other=0.0)[None, :]
    elif EPILOGUE == "blocknorm":  # the tile is one block wide
        y *= tl.rsqrt(tl.sum(y * y, axis=1) / y.shape[1] + eps)[:, None]
    return _activated(y, ACTIVATION)


@triton.jit
def broadcast_linear_fwd_kernel(
    x, weight, out, x_scale, weight_scale, n, h, k, stride_x, stride_w, stride_o,
    request, cand_to_user, stride_r, x0, x1, stride_x0, stride_x1, rstd, mean, gain, offset, eps,
    EPILOGUE: tl.constexpr, ACTIVATION: tl.constexpr, PRECISION: tl.constexpr, PROMOTE: tl.constexpr,
    ROWS: tl.constexpr, OUTPUTS: tl.constexpr, DEPTH: tl.constexpr, GROUP: tl.constexpr,
    DESCRIPTORS: tl.constexpr,
):  # fmt: skip
    """out = finished(scales * (x @ weight.T)), one program per tile; x and weight are pointers or descriptors."""
    row_block, col_block = tl.swizzle2d(
        tl.program_id(0) // tl.cdiv(h, OUTPUTS), tl.program_id(0) % tl.cdiv(h, OUTPUTS),
        tl.cdiv(n, ROWS), tl.cdiv(h, OUTPUTS), GROUP,
    )  # fmt: skip
    rows = row_block.to(tl.int64) * ROWS + tl.arange(0, ROWS)
    cols = col_block.to(tl.int64) * OUTPUTS + tl.arange(0, OUTPUTS)
    row_in, col_in = rows < n, cols < h
    inside = row_in[:, None] & col_in[None, :]
    depth = tl.arange(0, DEPTH)
    y = tl.zeros((ROWS, OUTPUTS), dtype=tl.float32)
    for start in range(0, k, DEPTH):
        if DESCRIPTORS:
            left = x.load([row_block * ROWS, start])
            right = weight.load([col_block * OUTPUTS, start]).T
        else:
            at_in = start + depth < k
            left_at = x + rows[:, None] * stride_x + (start + depth)[None, :]
            right_at = weight + cols[None, :] * stride_w + (start + depth)[:, None]
            left = tl.load(left_at, row_in[:, None] & at_in[None, :], other=0.0)
            right = tl.load(right_at, col_in[None, :] & at_in[:, None], other=0.0)
        y = tl.dot(left, right, y, input_precision=PRECISION, max_num_imprecise_acc=PROMOTE)
    if x_scale is not None:
        y *= tl.load(x_scale + rows, row_in, other=0.0)[:, None]
        y *= tl.load(weight_scale + cols, col_in, other=0.0)[None, :]
    y = _finished(
        y, rows, cols, n, h, request, cand_to_user, stride_r,
        x0, x1, stride_x0, stride_x1, rstd, mean, gain, offset, eps, EPILOGUE, ACTIVATION,
    )  # fmt: skip
    tl.store(out + rows[:, None] * stride_o + cols[None, :], y.to(out.dtype.element_ty), inside)


@triton.jit
def broadcast_linear_finish_kernel(
    product, out, n, h, stride_p, stride_o,
    request, cand_to_user, stride_r, x0, x1, stride_x0, stride_x1, rstd, mean, gain, offset, eps,
    EPILOGUE: tl.constexpr, ACTIVATION: tl.constexpr, ROWS: tl.constexpr, OUTPUTS: tl.constexpr,
):  # fmt: skip
    """out = finished(product), where the library has computed the product; out may be the product itself."""
    col_blocks = tl.cdiv(h, OUTPUTS)
    rows = (tl.program_id(0) // col_blocks).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    cols = (tl.program_id(0) % col_blocks).to(tl.int64) * OUTPUTS + tl.arange(0, OUTPUTS)
    inside = (rows < n)[:, None] & (cols < h)[None, :]
    y = tl.load(product + rows[:, None] * stride_p + cols[None, :], inside, other=0.0).to(tl.float32)
    y = _finished(
        y, rows, cols, n, h, request, cand_to_user, stride_r,
        x0, x1, stride_x0, stride_x1, rstd, mean, gain, offset, eps, EPILOGUE, ACTIVATION,
    )  # fmt: skip
    tl.store(out + rows[:, None] * stride_o + cols[None, :], y.to(out.dtype.element_ty), inside)


def broadcast_linear_triton(
    x: torch.Tensor,
    weight: torch.Tensor,
    request: torch.Tensor,
    cand_to_user: torch.Tensor,
    activation: str = "none",
    epilogue: Epilogue | None = None,
    scales: tuple[torch.Tensor, torch.Tensor] | None = None,
    config: Config | None = None,
) -> torch.Tensor:
    """See `op.broadcast_linear`, which checks; `scales` are of the rows of x and weight where these are fp8.

    The last dimension of every tensor must be contiguous; with descriptors, rows must begin at multiples of 16 bytes.
    """
    (n, k), h = x.shape, weight.shape[0]
    assert contiguous_rows(x, weight)
    assert (scales is None) == (x.element_size() > 1)
    block = epilogue.width if isinstance(epilogue, BlockNorm) else None
    c = config or config_for(n, h, x.element_size(), block, isinstance(epilogue, Cross | Normed))
    assert block in (None, c.outputs)
    assert c.depth >= 32 or x.element_size() > 1
    out = torch.empty((n, h), dtype=x.dtype if scales is None else request.dtype, device=x.device)
    if n == 0 or h == 0:
        return out
    x_scale, weight_scale = scales or (None, None)
    use_descriptors = c.descriptors and k > 0
    broadcast_linear_fwd_kernel[(triton.cdiv(n, c.rows) * triton.cdiv(h, c.outputs),)](
        TensorDescriptor.from_tensor(x, [c.rows, c.depth]) if use_descriptors else x,
        TensorDescriptor.from_tensor(weight, [c.outputs, c.depth]) if use_descriptors else weight,
        out, x_scale, weight_scale, n, h, k, x.stride(0), weight.stride(0), out.stride(0),
        **_finishing(request, cand_to_user, activation, epilogue),
        PRECISION="ieee", PROMOTE=min(FP8_PROMOTE, c.depth) if scales else None,
        ROWS=c.rows, OUTPUTS=c.outputs, DEPTH=c.depth, GROUP=GROUP_ROWS,
        DESCRIPTORS=use_descriptors, num_warps=c.num_warps, num_stages=c.num_stages,
    )  # fmt: skip
    return out


def finish_triton(
    product: torch.Tensor,
    request: torch.Tensor,
    cand_to_user: torch.Tensor,
    activation: str = "none",
    epilogue: Epilogue | None = None,
) -> torch.Tensor:
    """Everything but the product, written over it; its last dimension must be contiguous."""
    n, h = product.shape
    assert contiguous_rows(product)
    if n == 0 or h == 0:
        return product
    outputs = epilogue.width if isinstance(epilogue, BlockNorm) else FINISH_OUTPUTS
    broadcast_linear_finish_kernel[(triton.cdiv(n, FINISH_ROWS) * triton.cdiv(h, outputs),)](
        product, product, n, h, product.stride(0), product.stride(0),
        **_finishing(request, cand_to_user, activation, epilogue), ROWS=FINISH_ROWS, OUTPUTS=outputs, num_warps=4,
    )  # fmt: skip
    return product


def _finishing(
    request: torch.Tensor, cand_to_user: torch.Tensor, activation: str, epilogue: Epilogue | None
) -> dict[str, object]:
    """The arguments that both kernels hand on; what an epilogue does not read is None."""
    assert contiguous_rows(request, cand_to_user)
    assert activation in ACTIVATIONS
    given: dict[str, object] = {
        "request": request, "cand_to_user": cand_to_user, "stride_r": request.stride(0), "ACTIVATION": activation,
        "EPILOGUE": "none", "eps": 0.0, "stride_x0": 0, "stride_x1": 0,
        **dict.fromkeys(("x0", "x1", "rstd", "mean", "gain", "offset")),
    }  # fmt: skip
    match epilogue:
        case Cross(x0, x1):
            assert contiguous_rows(x0, x1)
            strides = {"stride_x0": x0.stride(0), "stride_x1": x1.stride(0)}
            given |= {"EPILOGUE": "cross", "x0": x0, "x1": x1, **strides}
        case Normed(rstd, mean, gain, offset):
            assert contiguous_rows(rstd, mean, gain, offset)
            given |= {"EPILOGUE": "normed", "rstd": rstd, "mean": mean, "gain": gain, "offset": offset}
        case BlockNorm(_, eps):
            given |= {"EPILOGUE": "blocknorm", "eps": eps}
    return given
