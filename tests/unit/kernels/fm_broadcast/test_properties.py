"""Any split into requests, by Hypothesis."""

import pytest
import torch

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.fm_broadcast.kernel import Config, fm_broadcast_triton
from tests.unit.kernels.close import assert_close
from tests.unit.kernels.fm_broadcast.test_kernel import exact, inputs

COUNTS = st.lists(st.integers(0, 9), min_size=1, max_size=6)


@given(counts=COUNTS, nc=st.integers(1, 16), packed=st.booleans())
@settings(deadline=None, max_examples=20, derandomize=True, database=None)
def test_any_split_into_requests_gives_the_materialised_block(counts: list[int], nc: int, packed: bool) -> None:
    where = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    c, y_c, u, _, t, index = inputs(counts, nc, 20, 9, torch.float32, where)
    out = fm_broadcast_triton(c, y_c, t, index, Config(16, 1 if packed else 2, 4, 1))
    assert_close(out, exact(c, y_c, u, t, index)[:, -nc:])
