"""The Triton forms: one candidate's block at a time, or several small candidates side by side.

Side by side they are rows of one tile X, and `X (X^T Y)` becomes `(X X^T) Y` with the products between different
candidates set to zero: full matrix instructions for blocks of 4 to 32 rows that would fill a fraction of one.
"""

from dataclasses import dataclass

import torch
import triton
import triton.language as tl

from kernels.checks import contiguous_rows
from kernels.hopper import ENOUGH_PROGRAMS


@dataclass(frozen=True, slots=True)
class Config:
    """Rows of a tile (of one candidate, or of all that share it), candidates a program takes in turn, how it runs."""

    rows: int
    candidates: int
    num_warps: int
    num_stages: int


PACKED = {"packed": Config(64, 1, 4, 1), "packed-tall": Config(128, 1, 8, 1)}
SINGLE = {"single": Config(64, 2, 4, 2), "single-tall": Config(128, 2, 8, 2)}


def packed_config_for(n: int, nc: int) -> Config | None:
    """The tile that several candidates share; None where one candidate fills a tile by itself."""
    if nc > 32:
        return None
    tall = PACKED["packed-tall"]
    return tall if triton.cdiv(n, tall.rows // nc) >= ENOUGH_PROGRAMS else PACKED["packed"]


def single_config_for(nc: int) -> Config:
    """The smallest tile that holds a candidate."""
    return SINGLE["single" if nc <= SINGLE["single"].rows else "single-tall"]


@triton.jit
def fm_broadcast_fwd_kernel(
    c, y, t, u, cand_to_user, out_c, out_u,
    n, nc, d, k, nu, stride_cn, stride_cr, stride_y, stride_tb, stride_td, stride_ub, stride_ur,
    PRECISION: tl.constexpr, ROWS: tl.constexpr, CANDIDATES: tl.constexpr, WIDTH: tl.constexpr, RANK: tl.constexpr,
):  # fmt: skip
    """T = c[i]^T y + t[user of i]; out_c[i] = c[i] T; out_u[i] = u[user of i] T. CANDIDATES programs' worth in turn."""
    rows, width, rank = tl.arange(0, ROWS), tl.arange(0, WIDTH), tl.arange(0, RANK)
    row_in, width_in, rank_in = rows < nc, width < d, rank < k
    projection = tl.load(y + rows[:, None] * stride_y + rank[None, :], row_in[:, None] & rank_in[None, :], other=0.0)
    for turn in range(CANDIDATES):
        i = tl.program_id(0).to(tl.int64) * CANDIDATES + turn
        here = i < n
        user = tl.load(cand_to_user + i, here, other=0).to(tl.int64)
        x_at = c + i * stride_cn + rows[:, None] * stride_cr + width[None, :]
        x = tl.load(x_at, here & row_in[:, None] & width_in[None, :], other=0.0)
        t_at = t + user * stride_tb + width[:, None] * stride_td + rank[None, :]
        shared = tl.load(t_at, here & width_in[:, None] & rank_in[None, :], other=0.0).to(tl.float32)
        inner = tl.dot(tl.trans(x), projection, shared, input_precision=PRECISION).to(x.dtype)
        rows_c = tl.dot(x, inner, input_precision=PRECISION)
        c_at = out_c + (i * nc + rows[:, None]) * k + rank[None, :]
        tl.store(c_at, rows_c.to(out_c.dtype.element_ty), here & row_in[:, None] & rank_in[None, :])
        if u is not None:
            for start in range(0, nu, 64):
                more = start + tl.arange(0, 64)
                u_at = u + user * stride_ub + more[:, None] * stride_ur + width[None, :]
                given = tl.load(u_at, here & (more < nu)[:, None] & width_in[None, :], other=0.0)
                rows_u = tl.dot(given, inner, input_precision=PRECISION)
                out_at = out_u + (i * nu + more[:, None]) * k + rank[None, :]
                tl.store(out_at, rows_u.to(out_u.dtype.element_ty), here & (more < nu)[:, None] & rank_in[None, :])


@triton.jit
def fm_broadcast_packed_fwd_kernel(
    c, y, t, cand_to_user, out,
    n, nc, d, k, stride_cn, stride_cr, stride_y, stride_tb, stride_td,
    PRECISION: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr, RANK: tl.constexpr,
):  # fmt: skip
    """out[i] = (c[i] c[i]^T) y + c[i] t[user of i] for the ROWS // nc candidates of one tile."""
    rows, width, rank = tl.arange(0, ROWS), tl.arange(0, WIDTH), tl.arange(0, RANK)
    packed = ROWS // nc
    first = tl.program_id(0).to(tl.int64) * packed
    i, within = first + rows // nc, rows % nc
    row_in = (rows // nc < packed) & (i < n)
    width_in, rank_in = width < d, rank < k
    at = c + i[:, None] * stride_cn + within[:, None] * stride_cr + width[None, :]
    x = tl.load(at, row_in[:, None] & width_in[None, :], other=0.0)
    user = tl.load(cand_to_user + i, row_in, other=0)
    last = tl.load(cand_to_user + tl.minimum(first + packed, n) - 1)
    acc = tl.zeros((ROWS, RANK), dtype=tl.float32)
    for request in range(tl.load(cand_to_user + first), last + 1):  # nearly always one
        shared_at = t + tl.cast(request, tl.int64) * stride_tb + width[:, None] * stride_td + rank[None, :]
        shared = tl.load(shared_at, width_in[:, None] & rank_in[None, :], other=0.0)
        # Of the product, not of x: a zero times the NaN of another request would be one.
        acc = tl.where((user == request)[:, None], tl.dot(x, shared, input_precision=PRECISION), acc)
    gram = tl.dot(x, tl.trans(x), input_precision=PRECISION)
    gram = tl.where((rows // nc)[:, None] == (rows // nc)[None, :], gram, 0.0)
    at = y + within[:, None] * stride_y + rank[None, :]
    projection = tl.load(at, row_in[:, None] & rank_in[None, :], other=0.0)
    acc = tl.dot(gram.to(x.dtype), projection, acc, input_precision=PRECISION)
    at = out + (i * nc + within)[:, None] * k + rank[None, :]
    tl.store(at, acc.to(out.dtype.element_ty), row_in[:, None] & rank_in[None, :])


def fm_broadcast_triton(
    c: torch.Tensor, y_c: torch.Tensor, t: torch.Tensor, cand_to_user: torch.Tensor, config: Config | None = None
) -> torch.Tensor:
    """See `op.fm_broadcast`, which checks; the last dimension of every tensor must be contiguous."""
    (n, nc, d), k = c.shape, y_c.shape[1]
    config = config or packed_config_for(n, max(nc, 1)) or single_config_for(nc)
    if config.candidates > 1:
        return _single(c, y_c, t, None, cand_to_user, config)[0]
    assert contiguous_rows(c, y_c, t, cand_to_user)
    assert nc <= config.rows
    out = torch.empty((n, nc, k), dtype=c.dtype, device=c.device)
    if out.numel() == 0:
        return out
    fm_broadcast_packed_fwd_kernel[(triton.cdiv(n, config.rows // nc),)](
        c, y_c, t, cand_to_user, out, n, nc, d, k,
        c.stride(0), c.stride(1), y_c.stride(0), t.stride(0), t.stride(1),
        PRECISION="ieee", ROWS=config.rows, WIDTH=_width(d), RANK=_rank(k),
        num_warps=config.num_warps, num_stages=config.num_stages,
    )  # fmt: skip
    return out


def fm_broadcast_both_triton(
    c: torch.Tensor,
    y_c: torch.Tensor,
    t: torch.Tensor,
    u: torch.Tensor,
    cand_to_user: torch.Tensor,
    config: Config | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """See `op.fm_broadcast_both`, which checks; the last dimension of every tensor must be contiguous."""
    out_c, out_u = _single(c, y_c, t, u, cand_to_user, config or single_config_for(c.shape[1]))
    assert out_u is not None
    return out_c, out_u


def _single(
    c: torch.Tensor,
    y_c: torch.Tensor,
    t: torch.Tensor,
    u: torch.Tensor | None,
    cand_to_user: torch.Tensor,
    config: Config,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    (n, nc, d), k, nu = c.shape, y_c.shape[1], 0 if u is None else u.shape[1]
    assert contiguous_rows(c, y_c, t, u, cand_to_user)
    assert nc <= config.rows
    out_c = torch.empty((n, nc, k), dtype=c.dtype, device=c.device)
    out_u = None if u is None else torch.empty((n, nu, k), dtype=c.dtype, device=c.device)
    if n == 0 or k == 0:
        return out_c, out_u
    fm_broadcast_fwd_kernel[(triton.cdiv(n, config.candidates),)](
        c, y_c, t, u, cand_to_user, out_c, out_u, n, nc, d, k, nu,
        c.stride(0), c.stride(1), y_c.stride(0), t.stride(0), t.stride(1),
        0 if u is None else u.stride(0), 0 if u is None else u.stride(1),
        PRECISION="ieee", ROWS=config.rows, CANDIDATES=config.candidates, WIDTH=_width(d), RANK=_rank(k),
        num_warps=config.num_warps, num_stages=config.num_stages,
    )  # fmt: skip
    return out_c, out_u


def _width(d: int) -> int:
    return max(64, int(triton.next_power_of_2(d)))  # rows of the first product: 64 at least for the wide instructions


def _rank(k: int) -> int:
    return max(16, int(triton.next_power_of_2(k)))
