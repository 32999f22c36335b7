"""However the candidates are split over requests."""

import pytest
import torch

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.broadcast_linear.kernel import broadcast_linear_triton
from tests.unit.kernels.broadcast_linear.test_kernel import TINY, exact, inputs
from tests.unit.kernels.close import assert_close


@settings(deadline=None, max_examples=20, derandomize=True)
@given(
    counts=st.lists(st.integers(0, 9), min_size=1, max_size=4),
    k=st.integers(1, 40),
    h=st.integers(1, 40),
)
def test_it_is_the_materialised_linear_for_any_split(device: torch.device, counts: list[int], k: int, h: int) -> None:
    given_inputs = inputs(counts, k, h, torch.float32, device)
    assert_close(broadcast_linear_triton(*given_inputs, config=TINY), exact(*given_inputs, "none"))
