"""How long a site takes by each recipe, on a GPU; nothing else can say it."""

from collections.abc import Callable

import torch

from inference.precision.recipes import BF16, RECIPES
from kernels.rowwise_quant_fp8.linear import Fp8Weight, fp8_linear

REPLAYS = 50
ROUNDS = 7


def site_times_us(rows: int, weight: torch.Tensor) -> dict[str, float]:
    """Recipe -> microseconds of one product of `rows` rows with `weight` [H, K] on this GPU, as a captured graph.

    Median of rounds in which the recipes take turns; FP8 includes quantising the rows, weights are prepared before.
    """
    device = torch.device("cuda")
    narrow = weight.to(device, torch.bfloat16)
    x = torch.randn(rows, weight.shape[1], generator=torch.Generator(device).manual_seed(0), device=device).bfloat16()
    graphs = {recipe: _captured(_call(recipe, x, narrow)) for recipe in RECIPES}
    samples: dict[str, list[float]] = {recipe: [] for recipe in RECIPES}
    for _ in range(ROUNDS):
        for recipe, graph in graphs.items():
            samples[recipe].append(_replayed_us(graph))
    return {recipe: sorted(values)[ROUNDS // 2] for recipe, values in samples.items()}


def _call(recipe: str, x: torch.Tensor, weight: torch.Tensor) -> Callable[[], torch.Tensor]:
    if recipe == BF16:
        return lambda: torch.nn.functional.linear(x, weight)
    prepared = Fp8Weight.prepare(weight, recipe.removeprefix("fp8 "))
    return lambda: fp8_linear(x, prepared)


def _captured(call: Callable[[], torch.Tensor]) -> torch.cuda.CUDAGraph:
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.inference_mode(), torch.cuda.stream(stream):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.inference_mode(), torch.cuda.graph(graph):
        for _ in range(REPLAYS):  # one graph of many calls: its own launch does not count
            call()
    return graph


def _replayed_us(graph: torch.cuda.CUDAGraph) -> float:
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    torch.cuda.synchronize()
    begin.record()
    graph.replay()
    end.record()
    torch.cuda.synchronize()
    return float(begin.elapsed_time(end)) * 1000 / REPLAYS
