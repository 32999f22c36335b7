"""Any rows: quantised one by one they are what they are together, and a power of two only moves the scale."""

import pytest
import torch

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.rowwise_quant_fp8.config import Config
from kernels.rowwise_quant_fp8.kernel import rowwise_quant_fp8_triton
from kernels.rowwise_quant_fp8.reference import PRES

TINY = Config(4, 64, 4)


@settings(deadline=None, max_examples=20)
@given(
    n=st.integers(1, 12),
    k=st.integers(1, 60),
    power=st.integers(-20, 20),
    pre=st.sampled_from(PRES),
    seed=st.integers(0, 99),
)
def test_rows_are_by_themselves_and_scales_are_linear(n: int, k: int, power: int, pre: str, seed: int) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    x = torch.randn(n, k, generator=torch.Generator().manual_seed(seed)).to(device)
    values, scale = rowwise_quant_fp8_triton(x, pre, config=TINY)
    order = torch.arange(n, device=device).flip(0)
    turned, turned_scale = rowwise_quant_fp8_triton(x.flip(0), pre, config=TINY)
    assert torch.equal(turned.view(torch.uint8), values[order].view(torch.uint8))
    assert torch.equal(turned_scale, scale[order])
    if pre == "none":
        larger, larger_scale = rowwise_quant_fp8_triton(x * 2.0**power, config=TINY)
        assert torch.equal(larger.view(torch.uint8), values.view(torch.uint8))
        assert torch.equal(larger_scale, scale * 2.0**power)
