"""How long a site takes by each recipe, on a GPU; nothing else can say it."""

from collections.abc import Callable

import torch

from inference.precision.recipes import BF16, RECIPES, prepared
from kernels.graphs import capture, device_seconds
from kernels.rowwise_quant_fp8.linear import fp8_linear

REPLAYS = 50
ROUNDS = 7


def site_times_us(rows: int, weight: torch.Tensor) -> dict[str, float]:
    """Recipe -> microseconds of one product of `rows` rows with `weight` [H, K] on this GPU, as a captured graph.

    Median of rounds in which the recipes take turns; FP8 includes quantising the rows, weights are prepared before.
    """
    device = torch.device("cuda")
    narrow = weight.to(device, torch.bfloat16)
    x = torch.randn(rows, weight.shape[1], generator=torch.Generator(device).manual_seed(0), device=device).bfloat16()
    samples: dict[str, list[float]] = {recipe: [] for recipe in RECIPES}
    with torch.inference_mode():
        graphs = {recipe: capture(_repeated(_call(recipe, x, narrow)))[0] for recipe in RECIPES}
        for _ in range(ROUNDS):
            for recipe, graph in graphs.items():
                samples[recipe].append(device_seconds(graph.replay) * 1e6 / REPLAYS)
    return {recipe: sorted(values)[ROUNDS // 2] for recipe, values in samples.items()}


def _call(recipe: str, x: torch.Tensor, weight: torch.Tensor) -> Callable[[], torch.Tensor]:
    if recipe == BF16:
        return lambda: torch.nn.functional.linear(x, weight)
    fp8 = prepared(weight, recipe)
    return lambda: fp8_linear(x, fp8)


def _repeated(call: Callable[[], torch.Tensor]) -> Callable[[], None]:
    """Many calls, for one graph: its own launch does not count."""

    def calls() -> None:
        for _ in range(REPLAYS):
            call()

    return calls
