"""Distinct keys in the order of their first occurrence, against a Python dictionary."""

import pytest
import torch

from kernels.jagged_unique import reference
from kernels.jagged_unique.kernel import jagged_unique_triton
from kernels.jagged_unique.op import jagged_unique
from kernels.jagged_unique.roofline import JaggedUniqueWork

EDGES = [0, -1, 2**63 - 1, -(2**63), 1]


def naive(keys: list[int], capacity: int) -> tuple[list[int], list[int], list[int]]:
    number = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    kept = list(number)[:capacity]
    inverse = [number[key] if number[key] < capacity else -1 for key in keys]
    return kept + [0] * (capacity - len(kept)), inverse, [len(number)]


def lists(found: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> tuple[list[int], list[int], list[int]]:
    unique, inverse, count = found
    return unique.tolist(), inverse.tolist(), count.tolist()


@pytest.mark.parametrize("distinct", [1, 9, 10**12], ids=["one", "few", "all"])
@pytest.mark.parametrize("n", [1, 16, 100])
def test_they_stand_in_the_order_of_their_first_occurrence(n: int, distinct: int, device: torch.device) -> None:
    generator = torch.Generator().manual_seed(n)
    keys = torch.randint(0, distinct, (n,), generator=generator).to(device)
    for capacity in (n, n + 5):
        expected = naive(keys.tolist(), capacity)
        assert lists(jagged_unique_triton(keys, capacity, block=16)) == expected
        assert lists(reference.jagged_unique(keys, capacity)) == expected


def test_no_key_is_special(device: torch.device) -> None:
    keys = torch.tensor(EDGES * 4, device=device)
    assert lists(jagged_unique_triton(keys, 20, block=16)) == naive(keys.tolist(), 20)
    assert lists(reference.jagged_unique(keys, 20)) == naive(keys.tolist(), 20)


def test_keys_that_collide_are_told_apart(device: torch.device) -> None:
    """With 64 keys in a table of 128 places many meet; each key must find itself."""
    keys = torch.arange(64, device=device).repeat(2)[:64].roll(5)
    assert lists(jagged_unique_triton(keys, 64, block=16)) == naive(keys.tolist(), 64)


@pytest.mark.parametrize("capacity", [0, 3])
def test_too_small_a_capacity_is_said_by_the_count(capacity: int, device: torch.device) -> None:
    keys = torch.tensor([5, 6, 5, 7, 8, 6, 9], device=device)
    expected = naive(keys.tolist(), capacity)
    assert expected[2] == [5]
    assert lists(jagged_unique_triton(keys, capacity, block=16)) == expected
    assert lists(reference.jagged_unique(keys, capacity)) == expected


def test_the_shipped_block_agrees(device: torch.device) -> None:
    keys = torch.randint(0, 200, (700,), generator=torch.Generator().manual_seed(1)).to(device)
    assert lists(jagged_unique(keys)) == naive(keys.tolist(), 700)


def test_no_keys_give_none(device: torch.device) -> None:
    keys = torch.zeros(0, dtype=torch.int64, device=device)
    assert lists(jagged_unique(keys, capacity=2)) == ([0, 0], [], [0])
    assert lists(reference.jagged_unique(keys, 2)) == ([0, 0], [], [0])


def test_what_does_not_fit_is_named(device: torch.device) -> None:
    keys = torch.zeros(3, dtype=torch.int64, device=device)
    with pytest.raises(ValueError, match="keys is int32; allowed is int64"):
        jagged_unique(keys.int())
    with pytest.raises(ValueError, match="capacity is -1; allowed is 0 or more"):
        jagged_unique(keys, capacity=-1)


def test_the_work_is_bytes_alone() -> None:
    assert (JaggedUniqueWork(1000, 100).flops, JaggedUniqueWork(1000, 100).bytes_moved) == (0, 12_804)
