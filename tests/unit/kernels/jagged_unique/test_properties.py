"""Any keys: the distinct ones and the inverse give the keys back."""

import pytest
import torch

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.jagged_unique.kernel import jagged_unique_triton

KEYS = st.lists(st.one_of(st.integers(-3, 3), st.integers(-(2**63), 2**63 - 1)), min_size=1, max_size=40)


@settings(deadline=None, max_examples=25)
@given(numbers=KEYS)
def test_the_inverse_gives_the_keys_back(numbers: list[int]) -> None:
    keys = torch.tensor(numbers, device="cuda" if torch.cuda.is_available() else "cpu")
    unique, inverse, count = jagged_unique_triton(keys, len(numbers), block=16)
    assert torch.equal(unique[inverse.long()], keys)
    assert unique[: int(count)].tolist() == list(dict.fromkeys(numbers))
