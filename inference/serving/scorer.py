"""Where the ranker's model runs: on the CPU as it was loaded, or on a GPU through captured graphs."""

from collections.abc import Sequence
from typing import Protocol
from weakref import WeakKeyDictionary

import torch

from inference import metrics
from inference.forward.arena import InputWidths
from inference.forward.buckets import Bucket, all_buckets
from inference.forward.forward import Forward
from inference.forward.inputs import PackedInputs
from inference.precision.release_precision import Precision, ReleasePrecision, release_precision
from inference.protocol import RankOutputs
from inference.release import Release
from inference.serving.settings import DEVICES
from runtime.environment import SettingsError


class Scorer(Protocol):
    """Scores batches. One release is scored by one thread at a time; another may be warmed up meanwhile."""

    @property
    def warm_up(self) -> Sequence[tuple[int, int]]:
        """(candidates, requests) of the batches that are worth a first call before traffic comes."""

    def score(self, release: Release, variant: str, inputs: PackedInputs) -> RankOutputs:
        """Probabilities on the CPU; raises whatever the model raises."""

    def precision(self, release: Release) -> ReleasePrecision:
        """In what number formats it scores this release."""

    def lost(self) -> str | None:
        """Why nothing will be scored any more in this process, None while it may be."""


def scorer_on(device: str, fp8: bool = True) -> Scorer:
    """`auto` takes a GPU if there is one; `fp8`: releases run there by their precision tables.

    Raises SettingsError for a GPU that is not there, or another word.
    """
    if device not in DEVICES:
        raise SettingsError(f"SOLARIS_RANKER_DEVICE is {device!r}; allowed are {', '.join(DEVICES)}")
    has_gpu = torch.cuda.is_available()
    if device == "cuda" and not has_gpu:
        raise SettingsError(
            "SOLARIS_RANKER_DEVICE is 'cuda', and PyTorch sees no GPU here; 'auto' takes one where there is one"
        )
    if not has_gpu or device == "cpu":
        return CpuScorer()
    gpu = torch.cuda.get_device_name() if fp8 else None
    return DeviceScorer(torch.device("cuda"), torch.bfloat16, all_buckets(), gpu)


class CpuScorer:
    """The release itself, at the size of the batch: padding would be computed as well."""

    warm_up = ((1, 1), (100, 1), (500, 1))

    def score(self, release: Release, variant: str, inputs: PackedInputs) -> RankOutputs:
        return release.score(variant, inputs.decoded())

    def precision(self, release: Release) -> ReleasePrecision:
        return ReleasePrecision(Precision.FLOAT32)

    def lost(self) -> str | None:
        return None


class DeviceScorer:
    """A forward pass of its own for every release and variant; it goes when its release goes."""

    warm_up = ((1, 1),)  # the first batch of a variant prepares all buckets

    def __init__(
        self, device: torch.device, dtype: torch.dtype, buckets: Sequence[Bucket], gpu: str | None = None
    ) -> None:
        """`gpu`: the kind whose precision tables hold here; None: whatever a table says, nothing runs in FP8."""
        self._device, self._dtype, self._buckets, self._gpu = device, dtype, buckets, gpu
        self._forwards: WeakKeyDictionary[Release, dict[str, Forward]] = WeakKeyDictionary()
        self._precisions: WeakKeyDictionary[Release, ReleasePrecision] = WeakKeyDictionary()
        self._lost: str | None = None

    def score(self, release: Release, variant: str, inputs: PackedInputs) -> RankOutputs:
        forwards = self._forwards.setdefault(release, {})
        if variant not in forwards:
            widths = InputWidths.of(release.manifest.sizes)
            recipes = self.precision(release).recipes.get(variant)
            forward = Forward(release.bundle.ranker(variant), widths, self._device, self._dtype, recipes)
            forward.prepare(self._buckets)
            forwards[variant] = forward
        try:
            return forwards[variant].score(inputs)
        except Exception:
            self._lost = _lost(self._device)
            raise

    def lost(self) -> str | None:
        """An error of the GPU that stays: only a new process is rid of it."""
        return self._lost

    def precision(self, release: Release) -> ReleasePrecision:
        """Its table is read once: what serves is what was there when it was loaded."""
        found = self._precisions.get(release)
        if found is None:
            found = self._precisions[release] = release_precision(release, self._gpu)
            metrics.precision_tables.labels(found.precision).inc()
        return found


def _lost(device: torch.device) -> str | None:
    """After a failed pass: what the GPU says to anything that it is asked now, None if it was the pass alone."""
    if device.type == "cpu":
        return None
    try:
        torch.cuda.synchronize(device)
    except RuntimeError as error:
        return f"the GPU refuses all further work until the ranker is started anew: {error}"
    return None
