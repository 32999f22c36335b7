"""The Triton form: one pass counts the distances, a second keeps those below the k-th smallest."""

from dataclasses import dataclass

import torch
import triton
import triton.language as tl

from kernels.checks import contiguous_rows
from kernels.hamming_hist.kernel import popcount


@dataclass(frozen=True, slots=True)
class Config:
    """Behaviours a step, and how it is run."""

    keys: int
    num_warps: int = 4


SHORT, LONG = Config(256), Config(1024)


def config_for(num_keys: int, num_users: int) -> Config:
    """Steps no longer than a history needs."""
    return LONG if num_keys >= 1024 * max(num_users, 1) else SHORT


def num_bins(words: int) -> int:
    """A power of two with room for every distance, and one bin more for what lies past the end."""
    return int(triton.next_power_of_2(words * 32 + 2))


@triton.jit
def distances_of(a, b, keys, key_in, stride_b, WORDS: tl.constexpr):
    """Hamming distances [KEYS] int32 of the signature at `a` and b[keys]."""
    distance = tl.zeros((keys.shape[0],), dtype=tl.int32)
    for word in tl.static_range(WORDS):
        distance += popcount(tl.load(a + word) ^ tl.load(b + keys * stride_b + word, key_in, other=0))
    return distance


@triton.jit
def hamming_topk_fwd_kernel(
    a, b, cand_to_user, kv_offsets, index, distance_out, k, stride_a, stride_b, stride_o,
    WORDS: tl.constexpr, BINS: tl.constexpr, KEYS: tl.constexpr,
):  # fmt: skip
    """The k nearest behaviours of one candidate, in their order; what is left of the row stays as it was."""
    row = tl.program_id(0).to(tl.int64)
    user = tl.load(cand_to_user + row).to(tl.int64)
    begin, end = tl.load(kv_offsets + user), tl.load(kv_offsets + user + 1)
    bins = tl.arange(0, BINS)
    counts = tl.zeros((BINS,), dtype=tl.int32)
    for start in range(begin, end, KEYS):
        keys = start + tl.arange(0, KEYS)
        key_in = keys < end
        distance = distances_of(a + row * stride_a, b, keys.to(tl.int64), key_in, stride_b, WORDS)
        counts += tl.histogram(tl.where(key_in, distance, BINS - 1), BINS)
    counts = tl.where(bins <= WORDS * 32, counts, 0)  # the last bin held what lies past the end
    limit = tl.sum((tl.cumsum(counts, 0) < k).to(tl.int32), axis=0)  # the k-th smallest distance
    ties = k - tl.sum(tl.where(bins < limit, counts, 0), axis=0)  # so many at that distance are taken
    written = 0
    tied = 0
    for start in range(begin, end, KEYS):
        keys = start + tl.arange(0, KEYS)
        key_in = keys < end
        distance = distances_of(a + row * stride_a, b, keys.to(tl.int64), key_in, stride_b, WORDS)
        tie = (key_in & (distance == limit)).to(tl.int32)
        taken = (key_in & (distance < limit)) | ((tie > 0) & (tied + tl.cumsum(tie, 0) <= ties))
        at = row * stride_o + written + tl.cumsum(taken.to(tl.int32), 0) - 1
        tl.store(index + at, keys, taken)
        tl.store(distance_out + at, distance, taken)
        written += tl.sum(taken.to(tl.int32), axis=0)
        tied += tl.sum(tie, axis=0)


def hamming_topk_triton(
    a: torch.Tensor,
    b: torch.Tensor,
    cand_to_user: torch.Tensor,
    kv_offsets: torch.Tensor,
    k: int,
    config: Config | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """See `op.hamming_topk`, which checks; signatures must be contiguous in their last dimension."""
    (n, words), num_users = a.shape, kv_offsets.shape[0] - 1
    assert contiguous_rows(a, b, cand_to_user, kv_offsets)
    index, distance = torch.full((2, n, k), -1, dtype=torch.int32, device=a.device)
    if n == 0:
        return index, distance
    c = config or config_for(b.shape[0], num_users)
    hamming_topk_fwd_kernel[(n,)](
        a, b, cand_to_user, kv_offsets, index, distance, k, a.stride(0), b.stride(0), index.stride(0),
        WORDS=words, BINS=num_bins(words), KEYS=c.keys, num_warps=c.num_warps,
    )  # fmt: skip
    return index, distance
