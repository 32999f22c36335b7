"""The Triton form: distances of a tile of candidates and behaviours, counted in registers."""

from dataclasses import dataclass

import torch
import triton
import triton.language as tl

from kernels.checks import contiguous_rows
from kernels.hopper import ENOUGH_PROGRAMS


@dataclass(frozen=True, slots=True)
class Config:
    """Tile of candidates and behaviours, and over how many programs a history is split."""

    rows: int
    keys: int  # at most 255: that many fit into a counter of eight bits
    splits: int = 1
    num_warps: int = 4


def config_for(n: int, num_keys: int, num_users: int) -> Config:
    """Long histories of few candidates are split, so that every multiprocessor has work."""
    rows, keys = 32, 64
    mean_blocks = triton.cdiv(num_keys, max(num_users, 1) * keys)
    splits = min(triton.cdiv(ENOUGH_PROGRAMS, triton.cdiv(n, rows)), max(mean_blocks, 1))
    return Config(rows, keys, splits)


@triton.jit
def popcount(x):
    """Bits that are set, per element of an int32 tensor; the compiler knows the idiom and emits POPC."""
    v = x.to(tl.uint32, bitcast=True)
    v = v - ((v >> 1) & 0x55555555)
    v = (v & 0x33333333) + ((v >> 2) & 0x33333333)
    v = (v + (v >> 4)) & 0x0F0F0F0F
    return ((v * 0x01010101) >> 24).to(tl.int32)


@triton.jit
def distance_tile(a, b, rows, keys, row_in, key_in, stride_a, stride_b, WORDS: tl.constexpr):
    """Hamming distances [ROWS, KEYS] int32 of signatures a[rows] and b[keys]."""
    distance = tl.zeros((rows.shape[0], keys.shape[0]), dtype=tl.int32)
    for word in tl.static_range(WORDS):
        left = tl.load(a + rows * stride_a + word, row_in, other=0)
        right = tl.load(b + keys * stride_b + word, key_in, other=0)
        distance += popcount(left[:, None] ^ right[None, :])
    return distance


@triton.jit
def history_share(cand_to_user, kv_offsets, rows, row_in, split, splits, KEYS: tl.constexpr):
    """Where the histories of these candidates begin and end [ROWS], and this split's share of all of them.

    Neighbouring candidates have neighbouring histories: together they are one range of keys.
    """
    user = tl.load(cand_to_user + rows, row_in, other=0).to(tl.int64)
    begin = tl.load(kv_offsets + user, row_in, other=0)
    end = tl.load(kv_offsets + user + 1, row_in, other=0)
    first = tl.min(tl.where(row_in, begin, 2147483647), axis=0)
    last = tl.max(end, axis=0)
    share = tl.cdiv(tl.cdiv(tl.maximum(last - first, 0), KEYS), splits) * KEYS
    low = first + split * share
    return begin, end, low, tl.minimum(low + share, last)


@triton.jit
def hamming_hist_fwd_kernel(
    a, b, cand_to_user, kv_offsets, out, n, splits, stride_a, stride_b, stride_o,
    NUM_BINS: tl.constexpr, BINS: tl.constexpr, WORDS: tl.constexpr, ROWS: tl.constexpr, KEYS: tl.constexpr,
    ADD: tl.constexpr,
):  # fmt: skip
    """out[i, t] (+)= number of behaviours of i's user in tier t, one program per tile of candidates and split."""
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    row_in = rows < n
    begin, end, low, high = history_share(cand_to_user, kv_offsets, rows, row_in, tl.program_id(1), splits, KEYS)
    bins = tl.arange(0, BINS)
    counts = tl.zeros((ROWS, BINS), dtype=tl.int32)
    for start in range(low, high, KEYS):
        keys = start + tl.arange(0, KEYS)
        key_in = keys < high
        distance = distance_tile(a, b, rows, keys.to(tl.int64), row_in, key_in, stride_a, stride_b, WORDS)
        tier = distance * NUM_BINS // (WORDS * 32 + 1)
        own = key_in[None, :] & (keys[None, :] >= begin[:, None]) & (keys[None, :] < end[:, None])
        # Four counters of eight bits a word: a pair costs one select and one addition for four tiers.
        one = tl.where(own, 1 << ((tier & 3) * 8), 0)
        for group in tl.static_range(BINS // 4):
            packed = tl.sum(tl.where((tier >> 2) == group, one, 0), axis=1)
            count = (packed[:, None] >> ((bins & 3) * 8)[None, :]) & 255
            counts += tl.where((bins >> 2)[None, :] == group, count, 0)
    at = out + rows[:, None] * stride_o + bins[None, :]
    inside = row_in[:, None] & (bins < NUM_BINS)[None, :]
    if ADD:
        tl.atomic_add(at, counts, inside, sem="relaxed")
    else:
        tl.store(at, counts, inside)


def hamming_hist_triton(
    a: torch.Tensor,
    b: torch.Tensor,
    cand_to_user: torch.Tensor,
    kv_offsets: torch.Tensor,
    bins: int,
    config: Config | None = None,
) -> torch.Tensor:
    """See `op.hamming_hist`, which checks; signatures must be contiguous in their last dimension."""
    (n, words), num_users = a.shape, kv_offsets.shape[0] - 1
    assert contiguous_rows(a, b, cand_to_user, kv_offsets)
    c = config or config_for(max(n, 1), b.shape[0], num_users)
    assert c.keys <= 255
    make = torch.zeros if c.splits > 1 else torch.empty  # splits add integers: their order does not matter
    out = make((n, bins), dtype=torch.int32, device=a.device)
    if n == 0:
        return out
    hamming_hist_fwd_kernel[(triton.cdiv(n, c.rows), c.splits)](
        a, b, cand_to_user, kv_offsets, out, n, c.splits, a.stride(0), b.stride(0), out.stride(0),
        NUM_BINS=bins, BINS=max(4, triton.next_power_of_2(bins)), WORDS=words, ROWS=c.rows, KEYS=c.keys,
        ADD=c.splits > 1, num_warps=c.num_warps,
    )  # fmt: skip
    return out
