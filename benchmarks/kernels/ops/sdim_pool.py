"""Interest from colliding hashes: a table per user and a gather, against the collisions of every pair."""

from collections.abc import Iterator

import torch

from benchmarks.kernels.case import COMPILED, OURS, Case, Inputs
from benchmarks.kernels.signatures import ALL_PAIRS, grid, signatures, unit_dtype
from kernels.sdim_pool import reference
from kernels.sdim_pool.op import bucket_means, sdim_pool
from kernels.sdim_pool.roofline import BucketMeansWork, SdimPoolWork

GROUP_BITS = 4
MAX_PAIRS = 10_000_000  # of a group at a time; beyond it the row says nothing more


def cases(device: torch.device) -> Iterator[Case]:
    """N candidates of one request, L behaviours of D values, signatures of so many bits in groups of four."""
    for n, length, bits, d in grid(device):
        yield _case(n, length, bits, d, unit_dtype(device))


def _case(n: int, length: int, bits: int, d: int, dtype: torch.dtype) -> Case:
    groups = bits // GROUP_BITS

    def inputs(generator: torch.Generator, device: torch.device) -> Inputs:
        a, b, index, offsets = signatures(n, length, bits, generator, device)
        return a, b, torch.randn(length, d, generator=generator, device=device).to(dtype), index, offsets

    def ours(a, b, v, index, offsets):
        return sdim_pool(a, bucket_means(b, v, offsets, GROUP_BITS), index)

    def by_pairs(a, b, v, wide):
        mine, theirs = (reference.group_index(words, GROUP_BITS) for words in (a, b))
        out = torch.zeros(n, d, dtype=wide, device=a.device)
        for group in range(groups):
            same = (mine[:, None, group] == theirs[None, :, group]).to(v.dtype)
            out += (same @ v).to(wide) / same.sum(1, dtype=wide).clamp_min(1)[:, None]
        return out / groups

    def all_pairs(a, b, v, index, offsets):
        return by_pairs(a, b, v, torch.float32).to(dtype)

    providers = {ALL_PAIRS: all_pairs, COMPILED: torch.compile(ours), OURS: ours}
    if n * length > MAX_PAIRS:
        del providers[ALL_PAIRS]
    return Case(
        op="sdim_pool",
        shape=f"N={n} L={length} bits={bits} group={GROUP_BITS} D={d}",
        dtype=dtype,
        work=SdimPoolWork(n, BucketMeansWork(length, 1, groups, GROUP_BITS, d, dtype.itemsize)),
        inputs=inputs,
        providers=providers,
        exact=lambda a, b, v, index, offsets: by_pairs(a, b, v.double(), torch.float64),
        tolerance=1e-2 if dtype is torch.bfloat16 else 1e-5,  # means are rounded as well
    )
