"""However the candidates are split over requests."""

import pytest
import torch

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.broadcast_lce.kernel import broadcast_lce_triton
from tests.unit.kernels.broadcast_lce.test_kernel import TINY, exact, inputs
from tests.unit.kernels.close import assert_close


@settings(deadline=None, max_examples=20, derandomize=True)
@given(
    counts=st.lists(st.integers(0, 5), min_size=1, max_size=4),
    m=st.integers(1, 20),
    k=st.integers(0, 20),
    d=st.integers(1, 20),
)
def test_it_is_the_materialised_compression_for_any_split(
    device: torch.device, counts: list[int], m: int, k: int, d: int
) -> None:
    given_inputs = inputs(counts, m, max(k, 1), d, torch.float32, device)
    x, weight, request, index = given_inputs
    x, weight = x[:, :k], weight[:, :k]
    assert_close(broadcast_lce_triton(x, weight, request, index, TINY), exact(x, weight, request, index))
