"""Rows of tables, exactly, against Python's integers."""

import pytest
import torch

from kernels.hash_ids import reference
from kernels.hash_ids.kernel import hash_ids_triton
from kernels.hash_ids.op import hash_ids
from kernels.hash_ids.roofline import HashIdsWork
from tests.unit.kernels.ragged import candidate_index

WORD = (1 << 64) - 1


def naive_hash(number: int) -> int:
    """splitmix64's finaliser, one 64-bit word at a time."""
    z = (number + 0x9E3779B97F4A7C15) & WORD
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & WORD
    return z ^ (z >> 31)


def drawn(lengths: list[int], device: torch.device) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    edges = torch.tensor([0, -1, 1, 2**63 - 1, -(2**63)])
    ids = torch.randint(-(2**63), 2**63 - 1, (sum(lengths),), generator=generator)
    ids[: len(edges)] = edges[: len(ids)]
    sizes = torch.randint(1, 2**31, (len(lengths),), generator=generator)
    sizes[0] = 1
    seeds = torch.randint(-(2**63), 2**63 - 1, (len(lengths),), generator=generator)
    return ids.to(device), candidate_index(lengths, device)[1], sizes.to(device), seeds.to(device)


@pytest.mark.parametrize("lengths", [[7], [3, 0, 0, 20, 1], [0, 5], [5, 0], [1] * 33], ids=str)
def test_every_id_falls_into_its_own_table(lengths: list[int], device: torch.device) -> None:
    ids, offsets, sizes, seeds = drawn(lengths, device)
    table = [f for f, length in enumerate(lengths) for _ in range(length)]
    expected = [
        (naive_hash((number ^ seed) & WORD) >> 32) * size >> 32
        for number, seed, size in zip(ids.tolist(), seeds[table].tolist(), sizes[table].tolist(), strict=True)
    ]
    assert hash_ids_triton(ids, offsets, sizes, seeds, block=16).tolist() == expected
    assert hash_ids(ids, offsets, sizes, seeds).tolist() == expected
    assert reference.hash_ids(ids, offsets, sizes, seeds).tolist() == expected


def test_neighbouring_ids_spread_evenly(device: torch.device) -> None:
    ids = torch.arange(20_000, device=device)
    offsets = torch.tensor([0, 20_000], dtype=torch.int32, device=device)
    rows = reference.hash_ids(ids, offsets, torch.tensor([100], device=device), torch.zeros_like(ids[:1]))
    counts = torch.bincount(rows.long(), minlength=100).double()
    chi_squared = float(((counts - 200) ** 2 / 200).sum())
    assert 60 < chi_squared < 150  # 99 degrees of freedom: outside once in a thousand


def test_no_ids_give_no_rows(device: torch.device) -> None:
    assert hash_ids(*drawn([0, 0], device)).shape == (0,)


def test_what_does_not_fit_is_named(device: torch.device) -> None:
    ids, offsets, sizes, seeds = drawn([3, 4], device)
    with pytest.raises(ValueError, match="ids is int32; allowed is int64"):
        hash_ids(ids.int(), offsets, sizes, seeds)
    with pytest.raises(ValueError, match=r"id_offsets is \[2\]; expected \[3\]"):
        hash_ids(ids, offsets[:2], sizes, seeds)


def test_the_work_is_bytes_alone() -> None:
    assert (HashIdsWork(1000, 2).flops, HashIdsWork(1000, 2).bytes_moved) == (0, 12_044)
