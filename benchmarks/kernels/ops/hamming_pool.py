"""Histories pooled by distance: any weight of it over all pairs, and the affine one, which needs none."""

from collections.abc import Iterator

import torch

from benchmarks.kernels.case import COMPILED, OURS, Case, Inputs
from benchmarks.kernels.signatures import ALL_PAIRS, XOR, grid, sign_distances, signatures, unit_dtype, xor_distances
from kernels.hamming_pool import reference as pool_reference
from kernels.hamming_pool.linear import hamming_pool_linear, history_moments
from kernels.hamming_pool.op import hamming_pool
from kernels.hamming_pool.roofline import HammingPoolLinearWork, HammingPoolWork

MATRIX = "ours, distances on matrix units"
BY_TABLE = "hamming_pool"  # the same weight as a table: what the pairs cost


def cases(device: torch.device) -> Iterator[Case]:
    """N candidates of one request, L behaviours of D values, signatures of so many bits."""
    for n, length, bits, d in grid(device):
        yield _pool(n, length, bits, d, f"N={n} L={length} bits={bits} D={d}", unit_dtype(device))


def linear_cases(device: torch.device) -> Iterator[Case]:
    """The same, pooled by a weight that falls evenly with the distance."""
    for n, length, bits, d in grid(device):
        yield _linear(n, length, bits, d, unit_dtype(device))


CASES = {"hamming_pool": cases, "hamming_pool_linear": linear_cases}


def _pool(n: int, length: int, bits: int, d: int, shape: str, dtype: torch.dtype) -> Case:
    def inputs(generator: torch.Generator, device: torch.device) -> Inputs:
        a, b, index, offsets = signatures(n, length, bits, generator, device)
        v = torch.randn(length, d, generator=generator, device=device).to(dtype)
        table = torch.exp(8 * (1 - 2 * torch.arange(bits + 1, device=device) / bits))
        return a, b, v, table, index, offsets

    def pooled(distance, v, table):
        weight = table[distance]
        return (weight.to(v.dtype) @ v / weight.sum(1, keepdim=True)).to(v.dtype)

    def materialised(a, b, v, table, index, offsets):
        return pooled(xor_distances(a, b), v, table)

    def all_pairs(a, b, v, table, index, offsets):
        return pooled(sign_distances(a, b).int(), v, table)

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


def _linear(n: int, length: int, bits: int, d: int, dtype: torch.dtype) -> Case:
    """The user's half is in the time: nothing of a request is done before it comes."""

    def inputs(generator: torch.Generator, device: torch.device) -> Inputs:
        a, b, index, offsets = signatures(n, length, bits, generator, device)
        v = torch.randn(length, d, generator=generator, device=device).to(dtype)
        return a, b, v, 1 - torch.arange(bits + 1, device=device) / bits, index, offsets

    def ours(a, b, v, table, index, offsets):
        return hamming_pool_linear(a, *history_moments(b, v, offsets), index)

    def all_pairs(a, b, v, table, index, offsets):
        return (1 - sign_distances(a, b) / bits).to(dtype) @ v

    return Case(
        op="hamming_pool_linear",
        shape=f"N={n} L={length} bits={bits} D={d}",
        dtype=dtype,
        work=HammingPoolLinearWork(n, length, 1, bits, d, dtype.itemsize),
        inputs=inputs,
        providers={
            ALL_PAIRS: all_pairs,
            COMPILED: torch.compile(ours),
            BY_TABLE: lambda a, b, v, table, index, offsets: hamming_pool(a, b, v, table, index, offsets),
            OURS: ours,
        },
        exact=lambda a, b, v, w, index, offsets: pool_reference.hamming_pool(
            a, b, v.double(), w, index, offsets, False
        ),
        tolerance=1e-2 if dtype is torch.bfloat16 else 1e-5,
    )
