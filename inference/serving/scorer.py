"""Where the ranker's model runs: on the CPU as it was loaded, or on a GPU through captured graphs."""

from collections.abc import Sequence
from typing import Protocol
from weakref import WeakKeyDictionary

import torch

from inference.forward.arena import InputWidths
from inference.forward.forward import Forward
from inference.protocol import RankInputs, RankOutputs
from inference.release import Release
from inference.serving.settings import DEVICES


class Scorer(Protocol):
    """Scores batches. One release is scored by one thread at a time; another may be warmed up meanwhile."""

    @property
    def warm_up(self) -> Sequence[tuple[int, int]]:
        """(candidates, requests) of the batches that are worth a first call before traffic comes."""

    def score(self, release: Release, variant: str, inputs: RankInputs) -> RankOutputs:
        """Probabilities on the CPU; raises whatever the model raises."""


def scorer_on(device: str) -> Scorer:
    """`auto` takes a GPU if there is one. Raises ValueError for a GPU that is not there, or another word."""
    if device not in DEVICES:
        raise ValueError(f"device is {device!r}; allowed are {', '.join(DEVICES)}")
    has_gpu = torch.cuda.is_available()
    if device == "cuda" and not has_gpu:
        raise ValueError("device is 'cuda', and PyTorch sees no GPU here; 'auto' takes one where there is one")
    return DeviceScorer(torch.device("cuda"), torch.bfloat16) if has_gpu and device != "cpu" else CpuScorer()


class CpuScorer:
    """The release itself, at the size of the batch: padding would be computed as well."""

    warm_up = ((1, 1), (100, 1), (500, 1))

    def score(self, release: Release, variant: str, inputs: RankInputs) -> RankOutputs:
        return release.score(variant, inputs)


class DeviceScorer:
    """A forward pass of its own for every release and variant; it goes when its release goes."""

    warm_up = tuple((size, requests) for size in (100, 250, 500, 1000, 2000) for requests in (1, 2))  # each a bucket

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self._device, self._dtype = device, dtype
        self._forwards: WeakKeyDictionary[Release, dict[str, Forward]] = WeakKeyDictionary()

    def score(self, release: Release, variant: str, inputs: RankInputs) -> RankOutputs:
        forwards = self._forwards.setdefault(release, {})
        if variant not in forwards:
            sizes = release.manifest.sizes
            widths = InputWidths(sizes.user_tokens, sizes.item_width, sizes.pair_width, sizes.context_width)
            forwards[variant] = Forward(release.bundle.ranker(variant), widths, self._device, self._dtype)
        return forwards[variant].score(inputs)
