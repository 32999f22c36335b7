"""Where the ranker's model runs: on the CPU as it was loaded, or on a GPU through captured graphs."""

from typing import Protocol
from weakref import WeakKeyDictionary

import torch

from inference.forward.arena import InputWidths
from inference.forward.buckets import Bucket, bucket_for
from inference.forward.forward import Forward
from inference.protocol import RankInputs, RankOutputs
from inference.release import Release

DEVICES = ("auto", "cpu", "cuda")
WARM_UP_CANDIDATES = (1, 100, 500)


class Scorer(Protocol):
    """Scores batches of one release and one variant; for one thread."""

    def score(self, release: Release, variant: str, inputs: RankInputs) -> RankOutputs:
        """Probabilities on the CPU; raises whatever the model raises."""

    def buckets(self) -> list[Bucket]:
        """The sizes that are worth preparing before the first request."""


def scorer_on(device: str) -> Scorer:
    """`auto` takes a GPU if there is one. Raises ValueError for a GPU that is not there or another word."""
    if device not in DEVICES:
        raise ValueError(f"device is {device!r}; allowed are {', '.join(DEVICES)}")
    has_gpu = torch.cuda.is_available()
    if device == "cuda" and not has_gpu:
        raise ValueError("device is 'cuda', and PyTorch sees no GPU here; 'auto' takes one if there is one")
    return DeviceScorer(torch.device("cuda"), torch.bfloat16) if has_gpu and device != "cpu" else CpuScorer()


class CpuScorer:
    """The release itself, at the size of the batch: padding would be computed as well."""

    def score(self, release: Release, variant: str, inputs: RankInputs) -> RankOutputs:
        return release.score(variant, inputs)

    def buckets(self) -> list[Bucket]:
        return [Bucket(size, 1) for size in WARM_UP_CANDIDATES]


class DeviceScorer:
    """A captured forward pass for every release and variant; it goes when its release goes."""

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

    def buckets(self) -> list[Bucket]:
        found = (bucket_for(candidates, requests) for candidates in (1, 250, 500, 1000, 2000) for requests in (1, 2))
        return [bucket for bucket in found if bucket is not None]
