"""Any ids, any ragged split over features: each id falls where it falls by itself, into its own table."""

from random import Random

import pytest
import torch

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.hash_ids.kernel import hash_ids_triton
from tests.unit.kernels.hash_ids.test_kernel import WORD, naive_hash
from tests.unit.kernels.ragged import candidate_index

INT64 = st.integers(-(2**63), 2**63 - 1)
FEATURE = st.tuples(st.lists(st.one_of(st.integers(-3, 3), INT64), max_size=12), st.integers(1, 2**31 - 1), INT64)
FEATURES = st.lists(FEATURE, min_size=1, max_size=6)
Feature = tuple[list[int], int, int]


def hashed(features: list[Feature], device: torch.device) -> torch.Tensor:
    """The rows [T] of all features at once."""
    ids = torch.tensor([one for ids, _, _ in features for one in ids], dtype=torch.int64)
    _, offsets = candidate_index([len(ids) for ids, _, _ in features], device)
    sizes, seeds = torch.tensor([size for _, size, _ in features]), torch.tensor([seed for _, _, seed in features])
    return hash_ids_triton(ids.to(device), offsets, sizes.to(device), seeds.to(device), block=16)


@settings(deadline=None, max_examples=25, derandomize=True)
@given(features=FEATURES)
def test_features_together_are_features_apart(device: torch.device, features: list[Feature]) -> None:
    out = hashed(features, device)
    assert torch.equal(out, torch.cat([hashed([feature], device) for feature in features]))
    table = [(size, seed) for ids, size, seed in features for _ in ids]
    ids = [one for ids, _, _ in features for one in ids]
    for row, one, (size, seed) in zip(out.tolist(), ids, table, strict=True):
        assert 0 <= row < size
        assert row == (naive_hash((one ^ seed) & WORD) >> 32) * size >> 32


@settings(deadline=None, max_examples=25, derandomize=True)
@given(features=FEATURES, random=st.randoms(use_true_random=False))
def test_the_order_of_a_features_ids_does_not_matter(
    device: torch.device, features: list[Feature], random: Random
) -> None:
    at = random.randrange(len(features))
    ids, size, seed = features[at]
    order = random.sample(range(len(ids)), len(ids))
    shuffled = [*features[:at], ([ids[i] for i in order], size, seed), *features[at + 1 :]]
    begin = sum(len(ids) for ids, _, _ in features[:at])
    out, other = hashed(features, device), hashed(shuffled, device)
    assert out[begin : begin + len(ids)][order].tolist() == other[begin : begin + len(ids)].tolist()
    assert torch.equal(out[:begin], other[:begin])
    assert torch.equal(out[begin + len(ids) :], other[begin + len(ids) :])


@settings(deadline=None, max_examples=25, derandomize=True)
@given(ids=st.lists(INT64, min_size=1, max_size=20), size=st.integers(1, 2**30), seed=INT64)
def test_a_table_twice_as_large_splits_every_row_in_two(
    device: torch.device, ids: list[int], size: int, seed: int
) -> None:
    small, large = hashed([(ids, size, seed)], device), hashed([(ids, 2 * size, seed)], device)
    assert torch.equal(large // 2, small)
