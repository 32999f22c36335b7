"""A linear in 8-bit floats: weights prepared once, rows quantised on the way, the product by the library.

The units of a GPU keep some 14 bits of a sum of e4m3 products. The library's fast accumulation leaves it there; without
it a sum goes on in float32 every 128 products, as in our own product (`FP8_PROMOTE`). None is fast in that way here: a
request by itself takes the library's product, several together take ours, and a score must not depend on which.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from kernels.checks import FLOATS, check_choice, check_tensor
from kernels.rowwise_quant_fp8.op import rowwise_quant_fp8
from kernels.rowwise_quant_fp8.reference import E4M3, PRES, before, scaled

RECIPES = ("tensorwise", "rowwise")
MULTIPLE = 16  # `torch._scaled_mm` wants both dimensions of a weight as multiples of it


@dataclass(frozen=True, slots=True)
class Fp8Weight:
    """The weight [H, K] of a linear as e4m3 [H', K'], filled up to multiples of 16, and its scale."""

    values: torch.Tensor
    scale: torch.Tensor  # float32: [1, H'] rowwise (one an output), [1, 1] tensorwise
    shape: tuple[int, int]  # [H, K] as it was given
    recipe: str

    @classmethod
    def prepare(cls, weight: torch.Tensor, recipe: str = "rowwise") -> "Fp8Weight":
        """Once, when weights are loaded, of any strides. Raises ValueError on a dtype or a recipe that is not known."""
        check_tensor("weight", weight, (-1, -1), FLOATS, None, strided=True)
        check_choice("recipe", recipe, RECIPES)
        h, k = weight.shape
        filled = F.pad(weight.detach(), (0, -k % MULTIPLE, 0, -h % MULTIPLE)).contiguous()
        values, scale = rowwise_quant_fp8(filled) if recipe == "rowwise" else tensorwise_quant_fp8(filled)
        return cls(values, scale.view(1, -1), (h, k), recipe)


def fp8_linear(
    x: torch.Tensor, weight: Fp8Weight, bias: torch.Tensor | None = None, *, pre: str = "none"
) -> torch.Tensor:
    """`pre(x) @ weight.T + bias` with both operands in e4m3, `x` [N, K] -> [N, H] of the dtype of `x`.

    Rowwise: a scale for each row of `x` and each output; tensorwise: one for all of `x`, one for the weight. On a GPU
    the product is `scaled_product`. Elsewhere the same e4m3 numbers are multiplied in float32: equal up to the order
    and precision of the sum.
    Raises ValueError on a shape, dtype or `pre` that does not fit.
    """
    h, k = weight.shape
    check_tensor("x", x, (-1, k), FLOATS, weight.values.device)
    check_choice("pre", pre, PRES)
    if bias is not None:
        check_tensor("bias", bias, (h,), (x.dtype,), x.device)
    rows = weight.values.shape[1]
    if weight.recipe == "rowwise":
        values, scale = rowwise_quant_fp8(x, pre=pre, width=rows)
    else:
        values, scale = tensorwise_quant_fp8(F.pad(before(x, pre), (0, rows - k)))
    if x.is_cuda and x.shape[0]:
        fuses = bias is not None and bias.dtype is torch.bfloat16 and h == weight.values.shape[0]
        product = scaled_product(values, scale.view(-1, 1), weight.values, weight.scale, bias if fuses else None)
        bias = None if fuses else bias
    else:
        product = (values.float() @ weight.values.float().T) * scale.view(-1, 1) * weight.scale
    y = product[:, :h].to(x.dtype)
    return y if bias is None else y + bias


def scaled_product(
    x: torch.Tensor,
    x_scale: torch.Tensor,
    weight: torch.Tensor,
    weight_scale: torch.Tensor,
    bias: torch.Tensor | None = None,
) -> torch.Tensor:
    """The library's product of `x` [N, K] and `weight` [H, K] in e4m3 -> [N, H] bfloat16, its sums as said above.

    Both dimensions of the weight are multiples of 16; scales [N, 1] and [1, H], or [1, 1] both; `bias` [H] bfloat16.
    """
    return torch._scaled_mm(
        x, weight.T, scale_a=x_scale, scale_b=weight_scale,
        bias=bias, out_dtype=torch.bfloat16, use_fast_accum=False,
    )  # fmt: skip


def tensorwise_quant_fp8(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """All of `x` [N, K] over one scale: e4m3 [N, K] and float32 [1, 1]; NaN where anything is NaN or infinite."""
    y = x.float()
    largest = y.abs().amax() if y.numel() else y.new_zeros(())
    values, scale = scaled(y, largest)
    finite = largest < torch.inf
    return torch.where(finite, values, 0.0).to(E4M3), torch.where(finite, scale, torch.nan).view(1, 1)
