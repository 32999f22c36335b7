"""The interpreter rounds and multiplies as a GPU does: the ground on which the other tests stand."""

import pytest
import torch
import triton
import triton.language as tl

DTYPES = [torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2]


@triton.jit
def cast_kernel(x, out, N: tl.constexpr):
    """out = x in the dtype of out."""
    at = tl.arange(0, N)
    tl.store(out + at, tl.load(x + at).to(out.dtype.element_ty))


@triton.jit
def dot_kernel(a, b, out, N: tl.constexpr):
    """out = a @ b for [N, N], in float32."""
    at = tl.arange(0, N)[:, None] * N + tl.arange(0, N)[None, :]
    tl.store(out + at, tl.dot(tl.load(a + at), tl.load(b + at)))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_cast_rounds_to_nearest_and_saturates_in_eight_bits(dtype: torch.dtype, device: torch.device) -> None:
    generator = torch.Generator().manual_seed(1)
    x = (torch.randn(1024, generator=generator) * torch.logspace(-6, 3, 1024)).to(device)
    out = torch.empty(1024, dtype=dtype, device=device)
    cast_kernel[(1,)](x, out, N=1024)
    largest = torch.finfo(dtype).max
    torch.testing.assert_close(out.float(), x.clamp(-largest, largest).to(dtype).float(), rtol=0, atol=0)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_dot_multiplies_values(dtype: torch.dtype, device: torch.device) -> None:
    generator = torch.Generator().manual_seed(2)
    a, b = (torch.randn(32, 32, generator=generator).to(dtype).to(device) for _ in range(2))
    out = torch.empty(32, 32, device=device)
    dot_kernel[(1,)](a, b, out, N=32)
    torch.testing.assert_close(out.double(), a.double() @ b.double(), rtol=1e-5, atol=1e-5)
