"""The Triton form: one pass, the feature of an id found by bisection of the offsets."""

import torch
import triton
import triton.language as tl

from kernels.checks import contiguous_rows
from kernels.hash_ids.reference import GOLDEN, MIX_1, MIX_2

BLOCK = 512
NUM_WARPS = 4
WORDS = {"GOLDEN": GOLDEN, "MIX_1": MIX_1, "MIX_2": MIX_2}


@triton.jit
def splitmix64(x, GOLDEN: tl.constexpr, MIX_1: tl.constexpr, MIX_2: tl.constexpr):
    """See `reference.splitmix64`; `x` int64, the result uint64."""
    z = x.to(tl.uint64, bitcast=True) + GOLDEN
    z = (z ^ (z >> 30)) * MIX_1
    z = (z ^ (z >> 27)) * MIX_2
    return z ^ (z >> 31)


@triton.jit
def hash_ids_fwd_kernel(
    ids, id_offsets, sizes, seeds, out, t, features,
    STEPS: tl.constexpr, GOLDEN: tl.constexpr, MIX_1: tl.constexpr, MIX_2: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """out[i] = hash of ids[i] in its feature's range, one program per block of ids."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < t
    low = tl.zeros((BLOCK,), dtype=tl.int32)  # the feature is in [low, high)
    high = low + features
    for _ in tl.static_range(STEPS):
        middle = (low + high) // 2
        begun = tl.load(id_offsets + middle, inside & (high - low > 1), other=0) <= at
        low = tl.where((high - low > 1) & begun, middle, low)
        high = tl.where((high - low > 1) & ~begun, middle, high)
    key = tl.load(ids + at, inside, other=0) ^ tl.load(seeds + low, inside, other=0)
    size = tl.load(sizes + low, inside, other=1).to(tl.uint64, bitcast=True)
    row = ((splitmix64(key, GOLDEN, MIX_1, MIX_2) >> 32) * size) >> 32
    tl.store(out + at, row.to(tl.int32), inside)


def hash_ids_triton(
    ids: torch.Tensor, id_offsets: torch.Tensor, sizes: torch.Tensor, seeds: torch.Tensor, block: int = BLOCK
) -> torch.Tensor:
    """See `op.hash_ids`, which checks."""
    t, features = ids.shape[0], sizes.shape[0]
    assert contiguous_rows(ids, id_offsets, sizes, seeds)
    out = torch.empty(t, dtype=torch.int32, device=ids.device)
    if t == 0:
        return out
    hash_ids_fwd_kernel[(triton.cdiv(t, block),)](
        ids, id_offsets, sizes, seeds, out, t, features, STEPS=features.bit_length(), **WORDS, BLOCK=block,
        num_warps=NUM_WARPS,
    )  # fmt: skip
    return out
