"""How far log losses move when they are computed in another way, and how well that is known."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

Head = Literal["click", "conversion"]


@dataclass(frozen=True, slots=True)
class Change:
    """Of the log loss of one head, relative, with one standard error over requests."""

    value: float
    error: float

    @property
    def bound(self) -> float:
        """What the change may well be, by its size: a loss that falls by rounding is as much an accident."""
        return abs(self.value) + self.error


@dataclass(frozen=True, slots=True)
class Changes:
    """Of both heads: a candidate is served by both."""

    click: Change
    conversion: Change | None  # over the clicked; None where too few of them converted

    @property
    def worse(self) -> Head:
        """The head that `bound` is of."""
        return "click" if self.conversion is None or self.conversion.bound <= self.click.bound else "conversion"

    @property
    def bound(self) -> float:
        """The larger one of both heads, NaN if either is."""
        heads = [self.click] if self.conversion is None else [self.click, self.conversion]
        return float(np.max([head.bound for head in heads]))


def change_of(losses: torch.Tensor, base: torch.Tensor) -> Change:
    """From `base` to `losses`, both [R] sums over the candidates of a request.

    One estimate over all requests and the standard error of that estimate. By request and not by candidate: those of
    one request share its user, and their errors.
    """
    total = base.sum()
    value = (losses - base).sum() / total
    error = (losses - base * (1 + value)).norm() / total  # of a ratio: both of its sums are of these requests
    return Change(float(value), float(error))
