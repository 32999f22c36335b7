"""Histories of signatures: histogram and top-k, against the forms that hold every pair; and what packs signatures."""

from collections.abc import Iterator

import torch

from benchmarks.kernels.case import COMPILED, DECOMPOSED, OURS, Case, Inputs
from benchmarks.kernels.signatures import ALL_PAIRS, XOR, grid, sign_distances, signatures, unit_dtype, xor_distances
from kernels.hamming_hist import reference as hist_reference
from kernels.hamming_hist.op import hamming_hist
from kernels.hamming_hist.roofline import HammingHistWork
from kernels.hamming_topk import reference as topk_reference
from kernels.hamming_topk.op import hamming_topk
from kernels.hamming_topk.roofline import HammingTopkWork
from kernels.simhash_pack import reference as pack_reference
from kernels.simhash_pack.op import simhash_pack
from kernels.simhash_pack.roofline import SimhashPackWork

BINS, K = 16, 50


def hist_cases(device: torch.device) -> Iterator[Case]:
    """Behaviours counted by their distance."""
    for n, length, bits, _ in grid(device):
        yield _hist(n, length, bits, f"N={n} L={length} bits={bits}", unit_dtype(device))


def topk_cases(device: torch.device) -> Iterator[Case]:
    """The nearest behaviours."""
    for n, length, bits, _ in grid(device):
        yield _topk(n, length, bits, f"N={n} L={length} bits={bits}", unit_dtype(device))


def pack_cases(device: torch.device) -> Iterator[Case]:
    """Vectors to signatures."""
    for n, d, bits in [(10_000, 64, 64), (10_000, 128, 128)]:
        yield _pack(n, d, bits, unit_dtype(device))


CASES = {"hamming_hist": hist_cases, "hamming_topk": topk_cases, "simhash_pack": pack_cases}


def _counts(tier):
    return torch.stack([(tier == t).sum(1, dtype=torch.int32) for t in range(BINS)], dim=1)


def _hist(n: int, length: int, bits: int, shape: str, dtype: torch.dtype) -> Case:
    def materialised(a, b, index, offsets):
        return _counts(xor_distances(a, b) * BINS // (bits + 1))

    def all_pairs(a, b, index, offsets):
        return _counts((sign_distances(a, b) * BINS / (bits + 1)).int())

    return Case(
        op="hamming_hist",
        shape=f"{shape} bins={BINS}",
        dtype=dtype,  # of the product of signs; all else is integers
        work=HammingHistWork(n, length, 1, n * length, bits, BINS),
        inputs=lambda generator, device: signatures(n, length, bits, generator, device),
        providers={
            XOR: materialised,
            ALL_PAIRS: all_pairs,
            COMPILED: torch.compile(all_pairs),
            OURS: lambda a, b, index, offsets: hamming_hist(a, b, index, offsets, bins=BINS),
        },
        exact=lambda a, b, index, offsets: hist_reference.hamming_hist(a, b, index, offsets, BINS).double(),
        tolerance=0.0,
    )


def _topk(n: int, length: int, bits: int, shape: str, dtype: torch.dtype) -> Case:
    def stable(distance):
        joint = distance.long() * length + torch.arange(length, device=distance.device)
        return (joint.topk(K, dim=1, largest=False).values % length).sort(dim=1).values

    def sorted_whole(a, b, index, offsets):
        order = sign_distances(a, b).sort(dim=1, stable=True).indices
        return order[:, :K].sort(dim=1).values

    providers = {
        XOR: lambda a, b, index, offsets: stable(xor_distances(a, b)),
        ALL_PAIRS: lambda a, b, index, offsets: stable(sign_distances(a, b)),
        OURS: lambda a, b, index, offsets: hamming_topk(a, b, index, offsets, k=K)[0],
    }
    if n * length <= 10**7:  # beyond, sorting alone would take the time of all other cases
        providers["eager, sorted whole"] = sorted_whole
    return Case(
        op="hamming_topk",
        shape=f"{shape} k={K}",
        dtype=dtype,  # of the product of signs; all else is integers
        work=HammingTopkWork(n, length, 1, n * length, bits, K),
        inputs=lambda generator, device: signatures(n, length, bits, generator, device),
        providers=providers,
        exact=lambda a, b, index, offsets: topk_reference.hamming_topk(a, b, index, offsets, K)[0].double(),
        tolerance=0.0,
    )


def _pack(n: int, d: int, bits: int, dtype: torch.dtype) -> Case:
    def inputs(generator: torch.Generator, device: torch.device) -> Inputs:
        def small(*shape: int) -> torch.Tensor:  # integers: their products are exact and leave no bit to rounding
            return torch.randint(-4, 5, shape, generator=generator, device=device).to(dtype)

        return small(n, d), small(bits, d)

    return Case(
        op="simhash_pack",
        shape=f"n={n} D={d} bits={bits}",
        dtype=dtype,
        work=SimhashPackWork(n, d, bits, dtype.itemsize),
        inputs=inputs,
        providers={
            DECOMPOSED: pack_reference.simhash_pack,
            COMPILED: torch.compile(pack_reference.simhash_pack),
            OURS: simhash_pack,
        },
        exact=lambda x, proj: pack_reference.simhash_pack(x.double(), proj.double()).double(),
        tolerance=0.0,
    )
