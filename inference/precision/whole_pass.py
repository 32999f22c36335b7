"""How long the whole forward pass takes by a choice of recipes: faster linears need not make a faster pass."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import torch

from inference.forward.arena import InputWidths
from inference.forward.buckets import bucket_for, exact_bucket
from inference.forward.forward import Forward
from inference.forward.inputs import PackedInputs
from inference.models.ranker import Ranker
from inference.precision.timing import PassTimes, Seconds, in_turns
from inference.protocol import RankInputs
from kernels.graphs import capture, device_seconds

REPLAYS = 20  # of a graph in one sample


def pass_times(
    ranker: Ranker,
    widths: InputWidths,
    recipes: Mapping[str, str],
    inputs: RankInputs,
    device: torch.device,
    seconds: Seconds = device_seconds,
) -> PassTimes:
    """With `recipes` beside nothing in FP8, in turns, both in the bucket of `inputs` and captured where `device` can.

    What the host does for a batch is the same for both, and is not in it.
    """
    computes = [_pass(ranker, widths, one, inputs, device) for one in ({}, recipes)]  # hold what the graphs read
    replays = [_repeated(_captured(compute, device)) for compute in computes]
    bf16_us, us = (time * 1e6 / REPLAYS for time in in_turns(dict(enumerate(replays)), seconds).values())
    return PassTimes(bf16_us, us, bf16_us / us)


def one_request(inputs: RankInputs, candidates: int) -> RankInputs:
    """The first request of a batch with so many candidates: those of the batch, again and again."""
    places = torch.arange(candidates) % inputs.num_candidates
    names = ("cand", "cand_mask", "pair", "tier", "age_s")
    return replace(
        inputs,
        **{name: getattr(inputs, name)[places] for name in names},
        **{name: getattr(inputs, name)[:1] for name in ("user", "user_mask", "context")},
        cand_to_user=torch.zeros(candidates, dtype=torch.int32),
        user_offsets=torch.tensor([0, candidates], dtype=torch.int32),
    )


def _pass(
    ranker: Ranker, widths: InputWidths, recipes: Mapping[str, str], inputs: RankInputs, device: torch.device
) -> Callable[[], torch.Tensor]:
    packed = PackedInputs.of(inputs)
    n, b = packed.num_candidates, packed.num_requests
    forward = Forward(ranker, widths, device, torch.bfloat16, recipes)
    arena = forward.arena(bucket_for(n, b) or exact_bucket(n, b))
    arena.fill(packed)
    arena.upload()
    return partial(forward.probabilities, arena)


def _captured(compute: Callable[[], torch.Tensor], device: torch.device) -> Callable[[], object]:
    if device.type == "cpu":
        return compute
    torch.cuda.synchronize(device)  # the weights were made ready on a stream of the forward pass
    return capture(compute)[0].replay


def _repeated(call: Callable[[], object]) -> Callable[[], None]:
    def calls() -> None:
        for _ in range(REPLAYS):
            call()

    return calls
