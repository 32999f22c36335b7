"""Any groups over any number of rows are what they are one by one."""

import pytest
import torch

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.grouped_linear.kernel import Config, grouped_linear_triton
from tests.unit.kernels.close import assert_close
from tests.unit.kernels.grouped_linear.groups import Groups

TINY = Config(16, 32, 16, 4, 2)
WIDTH = st.integers(1, 36)


@settings(deadline=None, max_examples=20)
@given(shapes=st.lists(st.tuples(WIDTH, WIDTH), min_size=1, max_size=4), n=st.integers(0, 34), seed=st.integers(0, 99))
def test_any_groups(shapes: list[tuple[int, int]], n: int, seed: int) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    groups = Groups(shapes, torch.float32, device, seed)
    x, packed = groups.rows(n), groups.packed(tile=32)
    out = grouped_linear_triton(x, packed, TINY)
    assert_close(out, groups.exact(x))
    cut = n // 3
    apart = [grouped_linear_triton(part, packed, TINY) for part in (x[:cut], x[cut:])]
    torch.testing.assert_close(torch.cat(apart), out, rtol=0, atol=0)
