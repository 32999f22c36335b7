"""How long a site takes by each recipe, on a GPU; nothing else can say it."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import torch
from torch import nn

from inference.models.shared_linear import SharedLinear
from inference.precision.recipes import BF16, RECIPES, stand_in
from kernels.graphs import capture, device_seconds

FP8_CAPABILITY = (8, 9)  # of Ada Lovelace, the first with units for it; `torch._scaled_mm` raises below
REPLAYS = 50
ROUNDS = 7

K = TypeVar("K")
Seconds = Callable[[Callable[[], object]], float]  # how long what is called takes


@dataclass(frozen=True, slots=True)
class PassTimes:
    """The whole forward pass of one request, as a captured graph of its bucket."""

    bf16_us: float  # with nothing in FP8
    us: float  # with what was chosen
    speedup: float  # of that over bf16


def without_fp8() -> str | None:
    """Why there is no speed of FP8 to measure on the GPU that is here; None if there is, or no GPU at all."""
    if not torch.cuda.is_available() or (capability := torch.cuda.get_device_capability()) >= FP8_CAPABILITY:
        return None
    has, needs = (".".join(map(str, version)) for version in (capability, FP8_CAPABILITY))
    return f"{torch.cuda.get_device_name()} has no FP8 (compute capability {has}, {needs} is needed)"


def site_times_us(rows: int, linear: nn.Linear) -> dict[str, float]:
    """Recipe -> microseconds of one call with `rows` rows on this GPU, as a captured graph.

    FP8 includes quantising the rows, weights are prepared before.
    """
    with torch.inference_mode():
        calls = calls_of(rows, linear, torch.device("cuda"))
        graphs = {recipe: capture(_repeated(call))[0].replay for recipe, call in calls.items()}
        return {recipe: seconds * 1e6 / REPLAYS for recipe, seconds in in_turns(graphs).items()}


def in_turns(calls: Mapping[K, Callable[[], object]], seconds: Seconds = device_seconds) -> dict[K, float]:
    """Median seconds of each, over rounds in which they take turns: a clock that falls meanwhile falls for all."""
    samples: dict[K, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            samples[name].append(seconds(call))
    return {name: sorted(values)[ROUNDS // 2] for name, values in samples.items()}


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


def _repeated(call: Callable[[], object]) -> Callable[[], None]:
    """Many calls, for one graph: its own launch does not count."""

    def calls() -> None:
        for _ in range(REPLAYS):
            call()

    return calls
