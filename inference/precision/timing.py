"""How long a site takes by each recipe, on a GPU; nothing else can say it."""

import copy
from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from inference.models.shared_linear import SharedLinear
from inference.precision.recipes import BF16, RECIPES, stand_in
from kernels.graphs import capture, device_seconds

FP8_CAPABILITY = (8, 9)  # of Ada Lovelace, the first with units for it; `torch._scaled_mm` raises below
REPLAYS = 50
ROUNDS = 7


def without_fp8() -> str | None:
    """Why there is no speed of FP8 to measure on the GPU that is here; None if there is, or no GPU at all."""
    if not torch.cuda.is_available() or (capability := torch.cuda.get_device_capability()) >= FP8_CAPABILITY:
        return None
    has, needs = (".".join(map(str, version)) for version in (capability, FP8_CAPABILITY))
    return f"{torch.cuda.get_device_name()} has no FP8 (compute capability {has}, {needs} is needed)"


def site_times_us(rows: int, linear: nn.Linear) -> dict[str, float]:
    """Recipe -> microseconds of one call with `rows` rows on this GPU, as a captured graph.

    Median of rounds in which the recipes take turns; FP8 includes quantising the rows, weights are prepared before.
    """
    samples: dict[str, list[float]] = {recipe: [] for recipe in RECIPES}
    with torch.inference_mode():
        calls = calls_of(rows, linear, torch.device("cuda"))
        graphs = {recipe: capture(_repeated(call))[0] for recipe, call in calls.items()}
        for _ in range(ROUNDS):
            for recipe, graph in graphs.items():
                samples[recipe].append(device_seconds(graph.replay) * 1e6 / REPLAYS)
    return {recipe: sorted(values)[ROUNDS // 2] for recipe, values in samples.items()}


def calls_of(rows: int, linear: nn.Linear, device: torch.device) -> dict[str, Callable[[], torch.Tensor]]:
    """Recipe -> what is timed: the linear as it serves, of a model narrowed to bfloat16 or what stands in for it.

    All over the same random rows; a linear that is given the request's part has those of one request.
    """
    generator = torch.Generator(device).manual_seed(0)
    given = [torch.randn(rows, linear.in_features, generator=generator, device=device).bfloat16()]
    if isinstance(linear, SharedLinear):
        request = torch.randn(1, linear.out_features, generator=generator, device=device).bfloat16()
        given += [request, torch.zeros(rows, dtype=torch.int32, device=device)]

    def call(recipe: str) -> Callable[[], torch.Tensor]:
        moved = copy.deepcopy(linear).to(device)
        return partial((moved if recipe == BF16 else stand_in(moved, recipe)).bfloat16(), *given)

    return {recipe: call(recipe) for recipe in RECIPES}


def _repeated(call: Callable[[], torch.Tensor]) -> Callable[[], None]:
    """Many calls, for one graph: its own launch does not count."""

    def calls() -> None:
        for _ in range(REPLAYS):
            call()

    return calls
