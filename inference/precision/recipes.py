"""How a linear may be computed: the number formats to choose from, and a module by a choice of them."""

import copy
from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import nn

from inference.models.shared_linear import SharedLinear
from inference.precision.linears import Added, Bf16Linear, Fp8Linear, Fp8SharedLinear, bf16_linear
from inference.precision.sites import linears
from kernels.rowwise_quant_fp8.linear import Fp8Weight, fp8_linear

BF16 = "bf16"
TENSORWISE = "fp8 tensorwise"
ROWWISE = "fp8 rowwise"
OF_KERNELS = {TENSORWISE: "tensorwise", ROWWISE: "rowwise"}  # as `Fp8Weight` calls them
FP8 = tuple(OF_KERNELS)
RECIPES = (BF16, *FP8)
# One scale for all rows makes every score depend on what else is in the batch, its padding included.
SERVED = (ROWWISE,)

M = TypeVar("M", bound=nn.Module)


def by_recipes(module: M, recipes: Mapping[str, str]) -> M:
    """A copy of `module` over the same weights in which the linears that `recipes` names run by their recipe.

    Their weights are converted here, from what they are now: narrow the copy afterwards, not the module before.
    What is done to the copy by `to` or `narrow` leaves `module` as it is. Raises ValueError for a linear or a recipe
    that is not known.
    """
    check_recipes(module, recipes, RECIPES)
    # A cast gives a parameter other memory in place: the copy has parameters of its own over the same memory.
    shared: dict[int, torch.Tensor] = {id(tensor): tensor for tensor in module.buffers()}
    shared |= {id(one): nn.Parameter(one.detach(), one.requires_grad) for one in module.parameters()}
    copied = copy.deepcopy(module, shared)
    for site, linear in linears(copied).items():
        if site in recipes:
            copied.set_submodule(site, stand_in(linear, recipes[site]).train(copied.training))
    return copied


def check_recipes(module: nn.Module, recipes: Mapping[str, str], allowed: tuple[str, ...]) -> None:
    """Raise ValueError unless `recipes` maps linears of `module` to `allowed` ones."""
    if unknown := sorted(recipes.keys() - linears(module).keys()):
        raise ValueError(f"there is no linear {', '.join(unknown)}")
    for site, recipe in recipes.items():
        if recipe not in allowed:
            raise ValueError(f"the recipe of {site} is {recipe!r}; allowed are {', '.join(allowed)}")


def stand_in(linear: nn.Linear, recipe: str) -> nn.Module:
    """What is called like `linear` and computes it by one of RECIPES."""
    if isinstance(linear, SharedLinear) and recipe == ROWWISE:
        return Fp8SharedLinear(linear)
    product = Bf16Linear(linear) if recipe == BF16 else Fp8Linear(linear, OF_KERNELS[recipe])
    return Added(product) if isinstance(linear, SharedLinear) else product


def by_recipe(recipe: str, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """`x` [N, K] @ `weight` [H, K] transposed, by one of RECIPES -> [N, H] float32."""
    if recipe == BF16:
        return bf16_linear(x, weight, None)
    return fp8_linear(x, Fp8Weight.prepare(weight, OF_KERNELS[recipe]))
