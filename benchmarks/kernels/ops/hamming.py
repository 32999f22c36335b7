"""Histories of signatures: histogram, nonlinear pooling and top-k, against the forms that hold every pair."""

from collections.abc import Iterator

import torch

from benchmarks.kernels.case import COMPILED, DECOMPOSED, OURS, Case, Inputs
from kernels.hamming import distances, unpack_signs
from kernels.hamming_hist import reference as hist_reference
from kernels.hamming_hist.op import hamming_hist
from kernels.hamming_hist.roofline import HammingHistWork
from kernels.hamming_pool import reference as pool_reference
from kernels.hamming_pool.op import hamming_pool
from kernels.hamming_pool.roofline import HammingPoolWork
from kernels.hamming_topk import reference as topk_reference
from kernels.hamming_topk.op import hamming_topk
from kernels.hamming_topk.roofline import HammingTopkWork
from kernels.simhash_pack import reference as pack_reference
from kernels.simhash_pack.op import simhash_pack
from kernels.simhash_pack.roofline import SimhashPackWork

ALL_PAIRS = "eager, all pairs held"
XOR = "eager, xor and shifts"
MATRIX = "ours, distances on matrix units"

GPU_GRID = [(1000, 1000, 64, 64), (1000, 10_000, 64, 64), (10_000, 10_000, 64, 64), (10_000, 10_000, 128, 64)]
CPU_GRID = [(100, 1000, 64, 32), (1000, 1000, 64, 32), (1000, 10_000, 64, 32)]
BINS, K = 16, 50


def cases(device: torch.device) -> Iterator[Case]:
    """N candidates of one request, L behaviours, signatures of so many bits, values of D."""
    gpu = device.type == "cuda"
    dtype = torch.bfloat16 if gpu else torch.float32
    for n, length, bits, d in GPU_GRID if gpu else CPU_GRID:
        shape = f"N={n} L={length} bits={bits}"
        yield _hist(n, length, bits, shape, dtype)
        yield _pool(n, length, bits, d, f"{shape} D={d}", dtype)
        yield _topk(n, length, bits, shape, dtype)
    for n, d, bits in [(10_000, 64, 64), (10_000, 128, 128)]:
        yield _pack(n, d, bits, dtype)


def _signatures(n: int, length: int, bits: int, generator: torch.Generator, device: torch.device) -> Inputs:
    def words(rows: int) -> torch.Tensor:
        whole = torch.randint(-(2**31), 2**31, (rows, bits // 32), generator=generator, device=device)
        return whole.to(torch.int32)

    index = torch.zeros(n, dtype=torch.int32, device=device)
    return words(n), words(length), index, torch.tensor([0, length], dtype=torch.int32, device=device)


def _xor_distances(a, b):
    """[N, L] int32, every intermediate of it held."""
    x = a[:, None, :] ^ b[None, :, :]
    x = x - ((x >> 1) & 0x55555555)
    x = (x & 0x33333333) + ((x >> 2) & 0x33333333)
    x = (x + (x >> 4)) & 0x0F0F0F0F
    return ((x * 0x01010101) >> 24).sum(2, dtype=torch.int32)


def _sign_distances(a, b):
    return distances(unpack_signs(a), unpack_signs(b))


def _counts(tier):
    return torch.stack([(tier == t).sum(1, dtype=torch.int32) for t in range(BINS)], dim=1)


def _hist(n: int, length: int, bits: int, shape: str, dtype: torch.dtype) -> Case:
    def materialised(a, b, index, offsets):
        return _counts(_xor_distances(a, b) * BINS // (bits + 1))

    def all_pairs(a, b, index, offsets):
        return _counts((_sign_distances(a, b) * BINS / (bits + 1)).int())

    return Case(
        op="hamming_hist",
        shape=f"{shape} bins={BINS}",
        dtype=dtype,  # of the product of signs; all else is integers
        work=HammingHistWork(n, length, 1, n * length, bits, BINS),
        inputs=lambda generator, device: _signatures(n, length, bits, generator, device),
        providers={
            XOR: materialised,
            ALL_PAIRS: all_pairs,
            COMPILED: torch.compile(all_pairs),
            OURS: lambda a, b, index, offsets: hamming_hist(a, b, index, offsets, bins=BINS),
        },
        exact=lambda a, b, index, offsets: hist_reference.hamming_hist(a, b, index, offsets, BINS).double(),
        tolerance=0.0,
    )


def _pool(n: int, length: int, bits: int, d: int, shape: str, dtype: torch.dtype) -> Case:
    def inputs(generator: torch.Generator, device: torch.device) -> Inputs:
        a, b, index, offsets = _signatures(n, length, bits, generator, device)
        v = torch.randn(length, d, generator=generator, device=device).to(dtype)
        table = torch.exp(8 * (1 - 2 * torch.arange(bits + 1, device=device) / bits))
        return a, b, v, table, index, offsets

    def pooled(distance, v, table):
        weight = table[distance]
        return (weight.to(v.dtype) @ v / weight.sum(1, keepdim=True)).to(v.dtype)

    def materialised(a, b, v, table, index, offsets):
        return pooled(_xor_distances(a, b), v, table)

    def all_pairs(a, b, v, table, index, offsets):
        return pooled(_sign_distances(a, b).int(), v, table)

    def on_matrix_units(a, b, v, table, index, offsets):
        from kernels.hamming_pool.kernel import hamming_pool_triton, matrix_config_for

        return hamming_pool_triton(a, b, v, table, index, offsets, True, matrix_config_for(n, length, 1, d))

    providers = {
        XOR: materialised,
        ALL_PAIRS: all_pairs,
        COMPILED: torch.compile(all_pairs),
        OURS: lambda a, b, v, table, index, offsets: hamming_pool(a, b, v, table, index, offsets, normalise=True),
    }
    if dtype is torch.bfloat16:
        providers[MATRIX] = on_matrix_units
    return Case(
        op="hamming_pool",
        shape=shape,
        dtype=dtype,
        work=HammingPoolWork(n, length, 1, n * length, bits, d, dtype.itemsize),
        inputs=inputs,
        providers=providers,
        exact=lambda a, b, v, w, index, offsets: pool_reference.hamming_pool(a, b, v.double(), w, index, offsets, True),
        tolerance=1e-2 if dtype is torch.bfloat16 else 1e-5,
    )


def _topk(n: int, length: int, bits: int, shape: str, dtype: torch.dtype) -> Case:
    def stable(distance):
        joint = distance.long() * length + torch.arange(length, device=distance.device)
        return (joint.topk(K, dim=1, largest=False).values % length).sort(dim=1).values

    def sorted_whole(a, b, index, offsets):
        order = _sign_distances(a, b).sort(dim=1, stable=True).indices
        return order[:, :K].sort(dim=1).values

    providers = {
        XOR: lambda a, b, index, offsets: stable(_xor_distances(a, b)),
        ALL_PAIRS: lambda a, b, index, offsets: stable(_sign_distances(a, b)),
        OURS: lambda a, b, index, offsets: hamming_topk(a, b, index, offsets, k=K)[0],
    }
    if n * length <= 10**7:  # beyond, sorting alone would take the time of all other cases
        providers["eager, sorted whole"] = sorted_whole
    return Case(
        op="hamming_topk",
        shape=f"{shape} k={K}",
        dtype=dtype,  # of the product of signs; all else is integers
        work=HammingTopkWork(n, length, 1, n * length, bits, K),
        inputs=lambda generator, device: _signatures(n, length, bits, generator, device),
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
