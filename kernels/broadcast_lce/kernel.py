"""The Triton form: one product over all candidates' features side by side, the request's part added by index."""

import torch
import triton
import triton.language as tl
from triton.tools.tensor_descriptor import TensorDescriptor

from kernels.broadcast_lce.config import MAX_COLUMNS, Config, config_for
from kernels.checks import contiguous_rows


@triton.jit
def broadcast_lce_fwd_kernel(
    x, weight, request, cand_to_user, out,
    m, k, padded_k, d, num_features, stride_xn, stride_xk, stride_w, stride_rb, stride_rm, stride_on, stride_om,
    PRECISION: tl.constexpr, ROWS: tl.constexpr, FEATURES: tl.constexpr, DEPTH: tl.constexpr,
    DESCRIPTORS: tl.constexpr,
):  # fmt: skip
    """out[n, i, j] = sum_k weight[i, k] * x[n, k, j] + request[cand_to_user[n], i, j], one program per tile of
    outputs i and features (n, j); the tiles that read the same features run together and find them in L2."""
    row_blocks = tl.cdiv(m, ROWS)
    first_row = (tl.program_id(0) % row_blocks) * ROWS
    first_feature = (tl.program_id(0) // row_blocks) * FEATURES
    rows, features = first_row + tl.arange(0, ROWS), first_feature + tl.arange(0, FEATURES)
    depth = tl.arange(0, DEPTH)
    row_in, feature_in = rows < m, features < num_features
    candidate, within = features // d, features % d
    rows = rows.to(tl.int64)
    acc = tl.zeros((ROWS, FEATURES), dtype=tl.float32)
    for start in range(0, k, DEPTH):
        if DESCRIPTORS:  # of a tile within one candidate
            left = weight.load([first_row, start])
            right = x.load([first_feature // d, start, first_feature % d]).reshape(DEPTH, FEATURES)
        else:
            at = (start + depth).to(tl.int64)
            left_in = row_in[:, None] & (at < padded_k)[None, :]  # up to the padding: multiples of 16 keep loads wide
            left = tl.load(weight + rows[:, None] * stride_w + at[None, :], left_in, other=0.0)
            right_at = x + (candidate.to(tl.int64) * stride_xn + within)[None, :] + at[:, None] * stride_xk
            right = tl.load(right_at, feature_in[None, :] & (at < k)[:, None], other=0.0)
        acc = tl.dot(left, right, acc, input_precision=PRECISION)
    user = tl.load(cand_to_user + candidate, feature_in, other=0).to(tl.int64)
    inside = row_in[:, None] & feature_in[None, :]
    added = request + (user * stride_rb + within)[None, :] + rows[:, None] * stride_rm
    acc += tl.load(added, inside, other=0.0).to(tl.float32)
    written = out + (candidate.to(tl.int64) * stride_on + within)[None, :] + rows[:, None] * stride_om
    tl.store(written, acc.to(out.dtype.element_ty), inside)


def broadcast_lce_triton(
    x: torch.Tensor,
    weight: torch.Tensor,
    request: torch.Tensor,
    cand_to_user: torch.Tensor,
    config: Config | None = None,
) -> torch.Tensor:
    """See `op.broadcast_lce`, which checks; the last dimension of every tensor must be contiguous."""
    (n, k, d), m = x.shape, request.shape[1]
    assert contiguous_rows(x, weight, request, cand_to_user)
    assert weight.shape[0] >= m
    assert weight.shape[1] >= k
    assert n * d <= MAX_COLUMNS
    out = torch.empty((n, m, d), dtype=x.dtype, device=x.device)
    if out.numel() == 0:
        return out
    c = config or config_for(n, m, d, x.element_size())
    use_descriptors = c.descriptors and k > 0
    assert not use_descriptors or d % c.features == 0
    grid = (triton.cdiv(m, c.rows) * triton.cdiv(n * d, c.features),)
    broadcast_lce_fwd_kernel[grid](
        TensorDescriptor.from_tensor(x, [1, c.depth, c.features]) if use_descriptors else x,
        TensorDescriptor.from_tensor(weight, [c.rows, c.depth]) if use_descriptors else weight,
        request, cand_to_user, out, m, k, weight.shape[1], d, n * d,
        x.stride(0), x.stride(1), weight.stride(0), request.stride(0), request.stride(1), out.stride(0), out.stride(1),
        PRECISION="ieee", ROWS=c.rows, FEATURES=c.features, DEPTH=c.depth,
        DESCRIPTORS=use_descriptors, num_warps=c.num_warps, num_stages=c.num_stages,
    )  # fmt: skip
    return out
