"""The Triton form: one product over all candidates' features side by side, the request's part added by index."""

from dataclasses import dataclass

import torch
import triton
import triton.language as tl

from kernels.compile_case import CompileCase


@dataclass(frozen=True, slots=True)
class Config:
    """Tile of outputs, features and depth, and how it is run."""

    rows: int
    features: int
    depth: int
    num_warps: int
    num_stages: int


CONFIGS = {
    "small": Config(64, 64, 64, 4, 4),  # few candidates: enough programs for 132 multiprocessors
    "flat": Config(64, 128, 64, 4, 4),  # few outputs: a taller tile would compute rows that nobody asked for
    "wide": Config(128, 128, 64, 8, 4),
}


def config_for(n: int, m: int, d: int) -> Config:
    """The largest tile that still gives every multiprocessor of a Hopper GPU two of them."""
    best = CONFIGS["flat" if m <= 64 else "wide"]
    enough = triton.cdiv(m, best.rows) * triton.cdiv(n * d, best.features) >= 264
    return best if enough else CONFIGS["small"]


@triton.jit
def broadcast_lce_fwd_kernel(
    x, weight, request, cand_to_user, out,
    m, k, padded_k, d, num_features, stride_xn, stride_xk, stride_w, stride_rb, stride_rm, stride_on, stride_om,
    PRECISION: tl.constexpr, ROWS: tl.constexpr, FEATURES: tl.constexpr, DEPTH: tl.constexpr,
):  # fmt: skip
    """out[n, i, j] = sum_k weight[i, k] * x[n, k, j] + request[cand_to_user[n], i, j], one program per tile of
    outputs i and features (n, j); the tiles that read the same features run together and find them in L2."""
    row_blocks = tl.cdiv(m, ROWS)
    rows = (tl.program_id(0) % row_blocks) * ROWS + tl.arange(0, ROWS)
    features = (tl.program_id(0) // row_blocks) * FEATURES + tl.arange(0, FEATURES)
    depth = tl.arange(0, DEPTH)
    row_in, feature_in = rows < m, features < num_features
    candidate, within = features // d, features % d
    rows = rows.to(tl.int64)
    candidate_x = x + candidate.to(tl.int64) * stride_xn + within
    acc = tl.zeros((ROWS, FEATURES), dtype=tl.float32)
    for start in range(0, k, DEPTH):
        at = (start + depth).to(tl.int64)
        left_in = row_in[:, None] & (at < padded_k)[None, :]  # up to the padding: a multiple of 16 keeps loads wide
        left = tl.load(weight + rows[:, None] * stride_w + at[None, :], left_in, other=0.0)
        right_in = feature_in[None, :] & (at < k)[:, None]
        right = tl.load(candidate_x[None, :] + at[:, None] * stride_xk, right_in, other=0.0)
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
    assert x.stride(2) == weight.stride(1) == request.stride(2) == cand_to_user.stride(0) == 1
    assert weight.shape[0] >= m
    assert weight.shape[1] >= k
    assert n * d < 2**31
    out = torch.empty((n, m, d), dtype=x.dtype, device=x.device)
    if out.numel() == 0:
        return out
    c = config or config_for(n, m, d)
    grid = (triton.cdiv(m, c.rows) * triton.cdiv(n * d, c.features),)
    broadcast_lce_fwd_kernel[grid](
        x, weight, request, cand_to_user, out, m, k, weight.shape[1], d, n * d,
        x.stride(0), x.stride(1), weight.stride(0), request.stride(0), request.stride(1), out.stride(0), out.stride(1),
        PRECISION="ieee", ROWS=c.rows, FEATURES=c.features, DEPTH=c.depth,
        num_warps=c.num_warps, num_stages=c.num_stages,
    )  # fmt: skip
    return out


def compile_cases() -> list[CompileCase]:
    """Every shipped configuration in bf16."""
    sizes = ("m", "k", "padded_k", "d", "num_features")
    strides = ("stride_xn", "stride_xk", "stride_w", "stride_rb", "stride_rm", "stride_on", "stride_om")
    return [
        CompileCase(
            name=f"bf16-{name}",
            kernel=broadcast_lce_fwd_kernel,
            signature={
                **dict.fromkeys(("x", "weight", "request"), "*bf16"), "cand_to_user": "*i32", "out": "*bf16",
                **dict.fromkeys((*sizes, *strides), "i32"),
            },
            constants={"PRECISION": "ieee", "ROWS": c.rows, "FEATURES": c.features, "DEPTH": c.depth},
            num_warps=c.num_warps,
            num_stages=c.num_stages,
            aligned=("x", "weight", "request", "cand_to_user", "out", "padded_k", "d", "num_features", *strides),
            needs=("HGMMA", "LDGSTS.E.BYPASS.128|LDGSTS.E.BYPASS.LTC128B.128", "STG.E.128"),
            forbids=("HMMA",),
        )
        for name, c in CONFIGS.items()
    ]  # fmt: skip
