"""The k best of N scores: is the library's selection already linear in N? Then it stays, and no kernel is written."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from benchmarks.kernels.case import OURS, Case

SORTED = "eager, sorted whole"
K = 100


@dataclass(frozen=True, slots=True)
class TopkWork:
    """The k best of n float32 scores."""

    n: int
    k: int

    @property
    def flops(self) -> int:
        """None: comparisons."""
        return 0

    @property
    def bytes_moved(self) -> int:
        """Scores in, k scores and places out."""
        return 4 * self.n + 12 * self.k


def cases(device: torch.device) -> Iterator[Case]:
    """Each N is ten times the one before: the time of a linear selection grows as much, that of a sort more."""
    largest = 8 if device.type == "cuda" else 7
    for power in range(4, largest):
        yield _case(10**power)


def _case(n: int) -> Case:
    return Case(
        op="topk",
        shape=f"N={n} k={K}",
        dtype=torch.float32,
        work=TopkWork(n, K),
        inputs=lambda generator, device: (torch.randn(n, generator=generator, device=device),),
        providers={
            SORTED: lambda scores: scores.sort(descending=True).values[:K],
            OURS: lambda scores: scores.topk(K).values,  # ours is the library's
        },
        exact=lambda scores: scores.double().sort(descending=True).values[:K],
        tolerance=0.0,
    )
