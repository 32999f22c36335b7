"""Sparse features before the model: ids hashed, made distinct, and unpacked from one buffer."""

from collections.abc import Iterator

import torch

from benchmarks.kernels.case import COMPILED, DECOMPOSED, OURS, Case, Inputs
from kernels.compact_tuples import reference as tuples_reference
from kernels.compact_tuples.layout import TupleLayout
from kernels.compact_tuples.op import unpack_tuples
from kernels.compact_tuples.roofline import CompactTuplesWork
from kernels.hash_ids import reference as hash_reference
from kernels.hash_ids.op import hash_ids
from kernels.hash_ids.roofline import HashIdsWork
from kernels.jagged_unique import reference as unique_reference
from kernels.jagged_unique.op import jagged_unique
from kernels.jagged_unique.roofline import JaggedUniqueWork

LIBRARY = "torch.unique"  # sorts, and the host waits for it: it cannot be captured in a CUDA graph
FEATURES = 64


def unique_cases(device: torch.device) -> Iterator[Case]:
    """n ids, with few, many and skewed duplicates."""
    for n in _sizes(device):
        for duplicates in ("none", "90 %", "Zipf 1.05"):
            yield _unique(n, duplicates, _dtype(device), device.type == "cuda")


def hash_cases(device: torch.device) -> Iterator[Case]:
    """n ids of 64 features."""
    for n in _sizes(device):
        yield _hash(n, _dtype(device))


def tuples_cases(device: torch.device) -> Iterator[Case]:
    """n tuples in lists of ten."""
    for n in _sizes(device):
        yield _tuples(n, _dtype(device))


CASES = {"jagged_unique": unique_cases, "hash_ids": hash_cases, "compact_tuples": tuples_cases}


def _sizes(device: torch.device) -> tuple[int, ...]:
    return (10_000, 100_000, 1_000_000) if device.type == "cuda" else (10_000, 100_000)


def _dtype(device: torch.device) -> torch.dtype:
    """The ops have none; a matrix product of it must exist."""
    return torch.bfloat16 if device.type == "cuda" else torch.float32


def _keys(n: int, duplicates: str, generator: torch.Generator, device: torch.device) -> torch.Tensor:
    if duplicates == "none":
        return torch.randperm(n, generator=generator, device=device) * 7919
    if duplicates == "90 %":
        return torch.randint(0, n // 10, (n,), generator=generator, device=device) * 7919
    weight = torch.arange(1, n + 1, device=device, dtype=torch.float64) ** -1.05
    share = torch.rand(n, generator=generator, device=device, dtype=torch.float64) * weight.sum()
    return torch.searchsorted(weight.cumsum(0), share) * 7919


def _unique(n: int, duplicates: str, dtype: torch.dtype, gpu: bool) -> Case:
    def inputs(generator: torch.Generator, device: torch.device) -> Inputs:
        return (_keys(n, duplicates, generator, device),)

    def given_back(found):
        return found[0].index_select(0, found[1])

    providers = {
        DECOMPOSED: lambda keys: given_back(unique_reference.jagged_unique(keys, n)),
        OURS: lambda keys: given_back(jagged_unique(keys)),
    }
    if not gpu:
        providers[LIBRARY] = lambda keys: given_back(torch.unique(keys, return_inverse=True))
    distinct = {"none": n, "90 %": n // 10}.get(duplicates, n // 3)
    return Case(
        op="jagged_unique",
        shape=f"n={n} duplicates={duplicates}",
        dtype=dtype,
        work=JaggedUniqueWork(n, distinct),
        inputs=inputs,
        providers=providers,
        exact=lambda keys: keys.double(),
        tolerance=0.0,
    )


def _hash(n: int, dtype: torch.dtype) -> Case:
    def inputs(generator: torch.Generator, device: torch.device) -> Inputs:
        ids = torch.randint(0, 2**62, (n,), generator=generator, device=device)
        ends = torch.arange(FEATURES + 1, device=device) * n // FEATURES
        sizes = torch.randint(1000, 2**30, (FEATURES,), generator=generator, device=device)
        seeds = torch.randint(0, 2**62, (FEATURES,), generator=generator, device=device)
        return ids, ends.to(torch.int32), sizes, seeds

    return Case(
        op="hash_ids",
        shape=f"T={n} F={FEATURES}",
        dtype=dtype,
        work=HashIdsWork(n, FEATURES),
        inputs=inputs,
        providers={
            DECOMPOSED: hash_reference.hash_ids,
            COMPILED: torch.compile(hash_reference.hash_ids),
            OURS: hash_ids,
        },
        exact=lambda ids, ends, sizes, seeds: hash_reference.hash_ids(ids, ends, sizes, seeds).double(),
        tolerance=0.0,
    )


def _tuples(n: int, dtype: torch.dtype) -> Case:
    layout = TupleLayout(n // 10, min(n // 4, 1 << 16), n, True)

    def inputs(generator: torch.Generator, device: torch.device) -> Inputs:
        buffer = torch.zeros(layout.num_bytes, dtype=torch.uint8, device=device)
        offsets, dictionary, codes, weights = tuples_reference.views(buffer, layout)
        offsets.copy_(torch.arange(layout.num_lists + 1, device=device) * n // layout.num_lists)
        dictionary.copy_(torch.randint(0, 2**50, dictionary.shape, generator=generator, device=device))
        drawn = torch.randint(0, layout.num_distinct, (n,), generator=generator, device=device)
        codes.copy_(drawn - (drawn >> 15 << 16) if layout.code_bytes == 2 else drawn)
        weights.copy_(torch.randn(n, generator=generator, device=device))
        return (buffer,)

    def joined(unpacked):
        return torch.stack([unpacked[1].double(), unpacked[2].double()])

    return Case(
        op="compact_tuples",
        shape=f"T={n} U={layout.num_distinct} weighted",
        dtype=dtype,
        work=CompactTuplesWork(layout),
        inputs=inputs,
        providers={
            DECOMPOSED: lambda buffer: joined(tuples_reference.unpack_tuples(buffer, layout)),
            OURS: lambda buffer: joined(unpack_tuples(buffer, layout)),
        },
        exact=lambda buffer: joined(tuples_reference.unpack_tuples(buffer, layout)),
        tolerance=0.0,
    )
