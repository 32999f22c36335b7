"""The op: checks, then the form for this device."""

import torch

from kernels.backend import use_triton
from kernels.checks import FLOATS, check_choice, check_integer, check_tensor
from kernels.rowwise_quant_fp8 import reference
from kernels.rowwise_quant_fp8.config import MAX_WIDTH


def rowwise_quant_fp8(
    x: torch.Tensor, *, pre: str = "none", width: int | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows as e4m3 numbers times one scale each: `pre(x)[i] ~ values[i] * scale[i]`.

    `x` [N, K] float32, float16 or bfloat16 -> values [N, width] float8_e4m3fn, scale [N] float32 with
    `scale = max |pre(x)[i]| / 448`, computed in float32 and rounded once. `pre`: none, silu, hardswish, or rms:
    `x / sqrt(mean(x^2) + 1e-6)` without a gain, which belongs into the weights that follow. `width` (default K) fills
    up with zeros, as a product wants multiples of 16. For inference: it has no gradient.

    A row of zeros (any row below 1e-30) is zeros with a scale of 2e-33, never a division by zero. A row with NaN or an
    infinity is zeros with a scale of NaN: what is made of it is NaN, and no other row's concern.
    Raises ValueError on a shape, dtype, width or `pre` that does not fit.
    """
    check_tensor("x", x, (-1, -1), FLOATS, None)
    check_choice("pre", pre, reference.PRES)
    if width is not None:
        check_integer("width", width, x.shape[1])
    if 0 < (width or x.shape[1]) <= MAX_WIDTH and use_triton(x):
        from kernels.rowwise_quant_fp8.kernel import rowwise_quant_fp8_triton

        return rowwise_quant_fp8_triton(x, pre, width)
    with torch.no_grad():
        return reference.rowwise_quant_fp8(x, pre, width)
