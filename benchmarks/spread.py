"""Percentiles of repeated measurements: the median over the repeats, and how far the repeats lie apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

LEVELS = {"p50": 50.0, "p99": 99.0, "p99.9": 99.9}


@dataclass(frozen=True, slots=True)
class Spread:
    """One figure over several repeats."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def over(cls, values: Sequence[float]) -> "Spread":
        """Raises ValueError without a value."""
        if not values:
            raise ValueError("nothing was measured")
        return cls(float(np.median(values)), float(min(values)), float(max(values)))

    def scaled(self, factor: float) -> "Spread":
        """The same in another unit."""
        return Spread(self.median * factor, self.lowest * factor, self.highest * factor)

    def text(self, digits: int = 2) -> str:
        """`median (lowest to highest)`, with thousands separated."""
        return f"{self.median:,.{digits}f} ({self.lowest:,.{digits}f} to {self.highest:,.{digits}f})"


def percentiles(repeats: Sequence[Sequence[float]]) -> Mapping[str, Spread]:
    """Each percentile, taken within every repeat, over the repeats."""
    return {
        name: Spread.over([float(np.percentile(samples, level)) for samples in repeats])
        for name, level in LEVELS.items()
    }


def ratios(repeats: Sequence[Sequence[float]], against: Sequence[Sequence[float]]) -> Mapping[str, Spread]:
    """Each percentile divided by that of the repeat measured beside it, over the repeats."""
    pairs = list(zip(repeats, against, strict=True))
    return {
        name: Spread.over([float(np.percentile(ours, level) / np.percentile(other, level)) for ours, other in pairs])
        for name, level in LEVELS.items()
    }
