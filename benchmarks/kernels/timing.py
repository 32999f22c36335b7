"""Times of several ways to do one thing, side by side: they take turns, so a busy machine slows all of them alike."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.kernels.case import Inputs
from kernels.graphs import capture, device_seconds

Provider = Callable[..., object]

ROUNDS, FEW_ROUNDS, LONG_S = 9, 3, 0.5  # a sweep that takes so long is steady by itself
MIN_SAMPLE_S = {"cpu": 0.02, "cuda": 0.004}  # calls are repeated until one sample takes this long
CACHE_BYTES = 256 * 2**20  # more than any last-level cache here: input sets together exceed it
MAX_INPUT_SETS = {"cpu": 4, "cuda": 32}  # a processor of ours shares its cache with strangers, who empty it


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of one call: median, the quantiles that show how steady it was, and every sample in order."""

    median_s: float
    p20_s: float
    p80_s: float
    samples: tuple[float, ...]

    @classmethod
    def over(cls, samples: Sequence[float]) -> "Timing":
        """From samples in seconds, at least one."""
        p20, median, p80 = np.quantile(samples, (0.2, 0.5, 0.8))
        return cls(float(median), float(p20), float(p80), tuple(samples))

    def ratio_to(self, other: "Timing") -> float:
        """How many times as long as `other` in the same turn: the median over the turns."""
        return float(np.median(np.divide(self.samples, other.samples)))


def num_input_sets(num_bytes: int, kind: str) -> int:
    """So many sets of inputs of that size that none is in the cache of a `cuda` device when its turn comes again.

    Below 8 MB there would have to be more of them than are made: those are found in the cache in part, and so are the
    weights of a model, of which there is one set.
    """
    return max(1, min(MAX_INPUT_SETS[kind], -(-CACHE_BYTES // max(num_bytes, 1))))


def side_by_side(
    providers: Mapping[str, Provider], inputs: Sequence[Inputs], rounds: int = ROUNDS
) -> dict[str, Timing]:
    """Time every provider over all sets of inputs, in turns; warm-up, compilation and capture are left out.

    On a GPU each provider is captured as a graph of one call per set of inputs, so what is timed is the GPU's work
    and not Python's. Raises what a provider raises.
    """
    cuda = next(x for x in inputs[0] if isinstance(x, torch.Tensor)).is_cuda
    prepare, sample = (_captured, _sample_cuda) if cuda else (_sweep, _sample_cpu)
    with torch.inference_mode():
        sweeps = {name: prepare(provider, inputs) for name, provider in providers.items()}
        for sweep in sweeps.values():
            sweep()
        seconds = {name: min(sample(sweep, 1), sample(sweep, 1)) for name, sweep in sweeps.items()}
        counts = {name: max(1, round(MIN_SAMPLE_S["cuda" if cuda else "cpu"] / s)) for name, s in seconds.items()}
        samples: dict[str, list[float]] = {name: [] for name in providers}
        for turn in range(rounds if max(seconds.values()) < LONG_S else FEW_ROUNDS):
            order = list(sweeps) if turn % 2 == 0 else list(sweeps)[::-1]
            for name in order:
                samples[name].append(sample(sweeps[name], counts[name]) / len(inputs))
    return {name: Timing.over(values) for name, values in samples.items()}


def _sweep(provider: Provider, inputs: Sequence[Inputs]) -> Callable[[], None]:
    def sweep() -> None:
        for one in inputs:
            provider(*one)

    return sweep


def _captured(provider: Provider, inputs: Sequence[Inputs]) -> Callable[[], None]:
    graph, _ = capture(_sweep(provider, inputs))
    return graph.replay


def _sample_cpu(sweep: Callable[[], None], count: int) -> float:
    began = time.perf_counter()
    for _ in range(count):
        sweep()
    return (time.perf_counter() - began) / count


def _sample_cuda(sweep: Callable[[], None], count: int) -> float:
    def sweeps() -> None:
        for _ in range(count):
            sweep()

    return device_seconds(sweeps) / count
