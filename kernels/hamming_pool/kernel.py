"""The Triton form: distances of a tile, weights from a table, product with the values; as flash attention does."""

from dataclasses import dataclass, replace

import torch
import triton
import triton.language as tl

from kernels.checks import contiguous_rows
from kernels.hamming_hist.kernel import distance_tile, history_share
from kernels.hopper import ENOUGH_PROGRAMS


@dataclass(frozen=True, slots=True)
class Config:
    """Tile of candidates, behaviours and columns, and over how many programs a history is split."""

    rows: int
    keys: int
    columns: int
    splits: int = 1
    num_warps: int = 4
    num_stages: int = 3
    matrix: bool = False  # distances as products of int8 signs on the matrix units, not by POPC; words a power of two


COLUMNS = (32, 64)  # of a tile; 128 spill with signatures of 128 bits


def config_for(n: int, num_keys: int, num_users: int, d: int) -> Config:
    """Long histories of few candidates are split, so that every multiprocessor has work."""
    columns = next((c for c in COLUMNS if c >= d), COLUMNS[-1])
    # Behaviours as many as columns share one layout of registers: 108 and 127 of them, else spills.
    rows, keys, num_warps = (64, 32, 4) if columns == 32 else (64, 64, 8)
    programs = triton.cdiv(n, rows) * triton.cdiv(d, columns)
    mean_blocks = triton.cdiv(num_keys, max(num_users, 1) * keys)
    splits = min(triton.cdiv(ENOUGH_PROGRAMS, programs), max(mean_blocks, 1))
    return Config(rows, keys, columns, splits, num_warps)


def matrix_config_for(n: int, num_keys: int, num_users: int, d: int) -> Config:
    """The same with distances on the matrix units: a form to be tried, not yet measured."""
    # Not pipelined: Triton 3.7 cannot prefetch a load (of the weights) that waits for a product of matrix units.
    return replace(config_for(n, num_keys, num_users, d), matrix=True, num_stages=1)


@triton.jit
def signs_of(words, at, inside, stride, WORDS: tl.constexpr):
    """The signatures words[at] as int8 [len(at), 32 * WORDS], 1 and -1."""
    word = tl.load(words + at[:, None] * stride + tl.arange(0, WORDS)[None, :], inside[:, None], other=0)
    bit = (word[:, :, None] >> tl.arange(0, 32)[None, None, :]) & 1
    return tl.reshape(bit * 2 - 1, (at.shape[0], WORDS * 32)).to(tl.int8)


@triton.jit
def hamming_pool_fwd_kernel(
    a, b, v, weight, cand_to_user, kv_offsets, out, total, n, d, splits,
    stride_a, stride_b, stride_v, stride_o, stride_split,
    WORDS: tl.constexpr, ROWS: tl.constexpr, KEYS: tl.constexpr, COLUMNS: tl.constexpr,
    NORMALISE: tl.constexpr, SPLIT: tl.constexpr, MATRIX: tl.constexpr,
):  # fmt: skip
    """out[i] = sum_l weight[d(i, l)] v[l]; a split writes its own share and the sum of its weights, undivided."""
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    cols = tl.program_id(1).to(tl.int64) * COLUMNS + tl.arange(0, COLUMNS)
    row_in, col_in = rows < n, cols < d
    split = tl.program_id(2)
    _, _, low, high = history_share(cand_to_user, kv_offsets, rows, row_in, split, splits, KEYS)
    first = tl.program_id(0).to(tl.int64) * ROWS
    users = tl.load(cand_to_user + rows, row_in, other=0)
    last_user = tl.load(cand_to_user + tl.minimum(first + ROWS, n) - 1)
    if MATRIX:
        signs = signs_of(a, rows, row_in, stride_a, WORDS)
    for user in range(tl.load(cand_to_user + first), last_user + 1):  # nearly always one
        begin = tl.maximum(tl.load(kv_offsets + user), low)
        end = tl.minimum(tl.load(kv_offsets + user + 1), high)
        own = row_in & (users == user)
        acc = tl.zeros((ROWS, COLUMNS), dtype=tl.float32)
        sums = tl.zeros((ROWS,), dtype=tl.float32)
        for start in range(begin, end, KEYS):
            keys = start + tl.arange(0, KEYS)
            key_in = keys < end
            wide = keys.to(tl.int64)
            if MATRIX:
                equal = tl.dot(signs, tl.trans(signs_of(b, wide, key_in, stride_b, WORDS)), out_dtype=tl.int32)
                distance = (WORDS * 32 - equal) >> 1
            else:
                distance = distance_tile(a, b, rows, wide, row_in, key_in, stride_a, stride_b, WORDS)
            pair = tl.load(weight + distance, own[:, None] & key_in[None, :], other=0.0)
            values = tl.load(v + wide[:, None] * stride_v + cols[None, :], key_in[:, None] & col_in[None, :], other=0.0)
            acc = tl.dot(pair.to(values.dtype), values, acc, input_precision="ieee")
            if NORMALISE:
                sums += tl.sum(pair, axis=1)
        # Each user's rows are written apart: a weight of zero does not keep the NaN of another user out of a sum.
        inside = own[:, None] & col_in[None, :]
        at = out + rows[:, None] * stride_o + cols[None, :]
        if SPLIT:
            tl.store(at + split.to(tl.int64) * stride_split, acc, inside)
            if NORMALISE:
                tl.store(total + split.to(tl.int64) * n + rows, sums, own & (tl.program_id(1) == 0))
        else:
            if NORMALISE:
                acc = acc / tl.maximum(sums, 1e-30)[:, None]  # one use of sums: with two, Triton 3.7 fails to compile
            tl.store(at, acc.to(out.dtype.element_ty), inside)


def hamming_pool_triton(
    a: torch.Tensor,
    b: torch.Tensor,
    v: torch.Tensor,
    weight: torch.Tensor,
    cand_to_user: torch.Tensor,
    kv_offsets: torch.Tensor,
    normalise: bool,
    config: Config | None = None,
) -> torch.Tensor:
    """See `op.hamming_pool`, which checks; every tensor must be contiguous in its last dimension."""
    (n, words), d, num_users = a.shape, v.shape[1], kv_offsets.shape[0] - 1
    assert contiguous_rows(a, b, v, weight, cand_to_user, kv_offsets)
    if n == 0 or d == 0:
        return torch.empty((n, d), dtype=v.dtype, device=v.device)
    c = config or config_for(n, v.shape[0], num_users, d)
    whole = c.splits == 1
    out = torch.empty((c.splits, n, d), dtype=v.dtype if whole else torch.float32, device=v.device)
    total = torch.empty((c.splits, n), dtype=torch.float32, device=v.device)
    hamming_pool_fwd_kernel[(triton.cdiv(n, c.rows), triton.cdiv(d, c.columns), c.splits)](
        a, b, v, weight, cand_to_user, kv_offsets, out, total, n, d, c.splits,
        a.stride(0), b.stride(0), v.stride(0), out.stride(1), out.stride(0),
        WORDS=words, ROWS=c.rows, KEYS=c.keys, COLUMNS=c.columns, NORMALISE=normalise, SPLIT=not whole,
        MATRIX=c.matrix,
        num_warps=c.num_warps, num_stages=c.num_stages,
    )  # fmt: skip
    if whole:
        return out[0]
    pooled = out.sum(0)  # in the order of the splits: the same every time, which atomic additions are not
    if normalise:
        pooled = pooled / total.sum(0).clamp_min(1e-30)[:, None]
    return pooled.to(v.dtype)
