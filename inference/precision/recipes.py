"""How a site may be computed: the number formats to choose from, applied to a module while it runs."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import nn

from inference.precision.sites import AtSites
from kernels.rowwise_quant_fp8.linear import Fp8Weight, fp8_linear

BF16 = "bf16"
FP8 = ("fp8 tensorwise", "fp8 rowwise")
RECIPES = (BF16, *FP8)


class Applied(AtSites):
    """While entered, the sites of `module` that `recipes` names run by their recipe; others as they are.

    Weights are converted once, at the first call. On a GPU FP8 is `torch._scaled_mm`; on a CPU the same e4m3 numbers
    are multiplied in float32, and bf16 rounds both operands and the result: right numbers, no speed.
    """

    def __init__(self, module: nn.Module, recipes: Mapping[str, str]) -> None:
        super().__init__(module, self._apply)
        self._recipes = recipes
        self._prepared: dict[tuple[int, tuple[int, ...]], Fp8Weight] = {}

    def _apply(
        self, site: str, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor | None:
        recipe = self._recipes.get(site)
        if recipe is None:
            return None
        if recipe == BF16:
            return bf16_linear(x, weight, bias)
        key = (weight.data_ptr(), tuple(weight.shape))  # a part of a weight is one by itself
        if key not in self._prepared:
            self._prepared[key] = prepared(weight, recipe)
        rows = fp8_linear(x.reshape(-1, x.shape[-1]), self._prepared[key], bias)
        return rows.view(*x.shape[:-1], -1)


def prepared(weight: torch.Tensor, recipe: str) -> Fp8Weight:
    """`weight` [H, K] as one of FP8 multiplies it."""
    return Fp8Weight.prepare(weight, recipe.removeprefix("fp8 "))


def by_recipe(recipe: str, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """`x` [N, K] @ `weight` [H, K] transposed, by one of RECIPES -> [N, H] float32."""
    if recipe == BF16:
        return bf16_linear(x, weight, None)
    return fp8_linear(x, prepared(weight, recipe))


def bf16_linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """A linear in bfloat16 with a float32 sum, given back in the dtype of `x`."""
    if x.is_cuda:
        return F.linear(x.bfloat16(), weight.bfloat16(), None if bias is None else bias.bfloat16()).to(x.dtype)
    # A CPU without bf16 units takes ten times as long: the same numbers are multiplied in float32.
    y = F.linear(x.bfloat16().float(), weight.bfloat16().float(), None if bias is None else bias.float())
    return y.bfloat16().to(x.dtype)
