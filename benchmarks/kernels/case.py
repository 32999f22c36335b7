"""One row of the benchmark grid: an op at one shape, with every way to compute it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from kernels.roofline import Work

OURS = "ours"
EXPANDED = "eager, expanded"  # the request's features copied to every candidate, as without sharing
DECOMPOSED = "eager, decomposed"  # the same algebra as ours, in plain PyTorch
COMPILED = "torch.compile"  # of the decomposed form

Inputs = tuple[Any, ...]
Outputs = torch.Tensor | tuple[torch.Tensor, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """`inputs` draws fresh ones, never zeros; every provider takes them and returns what the others return.

    Where the first tensor of the inputs is on the CPU, time is taken by the host's clock, on a GPU machine as well: a
    provider then waits for what it started.
    A provider that only a GPU or only one library version has is left out of `providers` where it is not.
    """

    op: str
    shape: str  # as in the table: "N=1000 K=256 H=1024 B=1"
    dtype: torch.dtype
    work: Work
    inputs: Callable[[torch.Generator, torch.device], Inputs]
    providers: Mapping[str, Callable[..., Outputs]]
    exact: Callable[..., Outputs]  # the definition in float64, materialised: the gate before every timing
    tolerance: float  # relative Frobenius error that the gate allows

    @property
    def key(self) -> tuple[str, str, str]:
        """Op, shape and dtype, as the CSV has them."""
        return self.op, self.shape, str(self.dtype).removeprefix("torch.")
