"""Any split into requests, by Hypothesis."""

import pytest
import torch

pytest.importorskip("hypothesis")
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from kernels.target_attention.config import Config
from kernels.target_attention.kernel import target_attention_triton
from kernels.target_attention.reference import MODES
from tests.unit.kernels.close import assert_close
from tests.unit.kernels.target_attention.attend import exact, given

REQUESTS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=4)


@drawn(requests=REQUESTS, mode=st.sampled_from(MODES), num_splits=st.integers(1, 3), own=st.booleans())
@settings(deadline=None, max_examples=12, derandomize=True, database=None)
def test_any_split_into_requests_is_attended_alike(
    requests: list[tuple[int, int]], mode: str, num_splits: int, own: bool
) -> None:
    where = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    counts, lengths = ([pair[i] for pair in requests] for i in range(2))
    x = given(counts, lengths, torch.float32, where, heads=1, own=own, seed=len(requests))
    out = target_attention_triton(*x.args(), mode, config=Config(32, 16, 4, 1), num_splits=num_splits)
    assert_close(out, exact(x, mode))
