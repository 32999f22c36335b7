"""Any lists of ids and weights: what was packed comes out, together or apart."""

from random import Random

import numpy as np
import pytest
import torch

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.compact_tuples.kernel import unpack_tuples_triton
from kernels.compact_tuples.layout import pack_tuples

IDS = st.lists(st.one_of(st.integers(-3, 3), st.integers(-(2**63), 2**63 - 1)), max_size=12)
LISTS = st.lists(IDS, max_size=6)
Unpacked = tuple[list[int], list[int], list[float] | None]


def through(lists: list[list[int]], weights: np.ndarray | None, device: torch.device) -> Unpacked:
    """Packed, and unpacked by the kernel: lengths, ids and weights."""
    ids = np.array([one for ids in lists for one in ids], np.int64)
    packed, layout = pack_tuples(np.array([len(ids) for ids in lists], np.int64), ids, weights)
    assert len(packed) == layout.num_bytes
    offsets, found, floats = unpack_tuples_triton(torch.from_numpy(packed).to(device), layout, block=16)
    return offsets.diff().tolist(), found.tolist(), None if floats is None else floats.tolist()


@settings(deadline=None, max_examples=25, derandomize=True)
@given(lists=LISTS, seed=st.integers(0, 2**31))
def test_a_round_trip_loses_nothing_but_the_end_of_weights(
    device: torch.device, lists: list[list[int]], seed: int
) -> None:
    total = sum(map(len, lists))
    weights = np.random.default_rng(seed).normal(size=total).astype(np.float32)
    lengths, ids, floats = through(lists, weights, device)
    assert lengths == [len(one) for one in lists]
    assert ids == [one for ids in lists for one in ids]
    assert floats == weights.astype(np.float16).tolist()
    halves = np.array(floats, np.float32)
    assert through(lists, halves, device) == (lengths, ids, floats)  # what is rounded already stays
    assert through(lists, None, device) == (lengths, ids, None)


@settings(deadline=None, max_examples=25, derandomize=True)
@given(first=LISTS, second=LISTS)
def test_batches_together_are_batches_apart(
    device: torch.device, first: list[list[int]], second: list[list[int]]
) -> None:
    both, one, other = (through(lists, None, device) for lists in ([*first, *second], first, second))
    assert both[0] == one[0] + other[0]
    assert both[1] == one[1] + other[1]


@settings(deadline=None, max_examples=25, derandomize=True)
@given(lists=LISTS, random=st.randoms(use_true_random=False))
def test_the_dictionary_knows_no_order(device: torch.device, lists: list[list[int]], random: Random) -> None:
    ids = [one for ids in lists for one in ids]
    shuffled = random.sample(ids, len(ids))
    packed = [pack_tuples(np.array([len(some)]), np.array(some, np.int64)) for some in (ids, shuffled)]
    (one, layout), (other, same) = packed
    assert layout == same
    dictionary = layout.parts()["dictionary"]
    assert one[dictionary].tolist() == other[dictionary].tolist()
    assert one[dictionary].view(np.int64).tolist() == sorted(set(ids))
