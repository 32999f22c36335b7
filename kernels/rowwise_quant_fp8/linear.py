"""A linear in 8-bit floats: weights prepared once, rows quantised on the way, the product by the library."""

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
        check_tensor("weight", weight, (-1, -1), FLOATS, weight.device, strided=True)
        check_choice("recipe", recipe, RECIPES)
        h, k = weight.shape
        filled = F.pad(weight.detach(), (0, -k % MULTIPLE, 0, -h % MULTIPLE)).contiguous()
        values, scale = rowwise_quant_fp8(filled) if recipe == "rowwise" else tensorwise_quant_fp8(filled)
        return cls(values, scale.view(1, -1), (h, k), recipe)


def fp8_linear(
    x: torch.Tensor,
    weight: Fp8Weight,
    bias: torch.Tensor | None = None,
    *,
    pre: str = "none",
    fast_accumulation: bool = True,
) -> torch.Tensor:
    """`pre(x) @ weight.T + bias` with both operands in e4m3, `x` [N, K] -> [N, H] of the dtype of `x`.

    Rowwise: a scale for each row of `x` and each output; tensorwise: one for all of `x`, one for the weight. On a GPU
    the product is `torch._scaled_mm`, rounded to bfloat16; `fast_accumulation` lets it sum with about 14 bits.
    Elsewhere the same e4m3 numbers are multiplied in float32: equal up to the order and precision of the sum.
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
        product = torch._scaled_mm(
            values, weight.values.T, scale_a=scale.view(-1, 1), scale_b=weight.scale,
            bias=bias if fuses else None, out_dtype=torch.bfloat16, use_fast_accum=fast_accumulation,
        )  # fmt: skip
        bias = None if fuses else bias
    else:
        product = (values.float() @ weight.values.float().T) * scale.view(-1, 1) * weight.scale
    y = product[:, :h].to(x.dtype)
    return y if bias is None else y + bias


def tensorwise_quant_fp8(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """All of `x` [N, K] over one scale: e4m3 [N, K] and float32 [1, 1]; NaN where anything is NaN or infinite."""
    y = x.float()
    largest = y.abs().amax() if y.numel() else y.new_zeros(())
    values, scale = scaled(y, largest)
    finite = largest < torch.inf
    return torch.where(finite, values, 0.0).to(E4M3), torch.where(finite, scale, torch.nan).view(1, 1)
