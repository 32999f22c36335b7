"""The least time an op can take: useful operations over the arithmetic rate, compulsory bytes over the bandwidth."""

from dataclasses import dataclass
from typing import Protocol


class Work(Protocol):
    """An op at one shape. Every op's `roofline.py` has one."""

    @property
    def flops(self) -> int:
        """Useful floating-point operations, with the sharing the op offers: a multiply-add counts two."""

    @property
    def bytes_moved(self) -> int:
        """Each input read once, each output written once."""


@dataclass(frozen=True, slots=True)
class Ceilings:
    """What a machine reaches on a large copy and a large matrix product, measured in the same run."""

    flops_per_s: float
    bytes_per_s: float

    def floor_s(self, work: Work) -> float:
        """No version runs much faster than this, in seconds."""
        return max(work.flops / self.flops_per_s, work.bytes_moved / self.bytes_per_s)

    def bound(self, work: Work) -> str:
        """Which of the two decides: `compute` or `memory`."""
        return "compute" if work.flops / self.flops_per_s > work.bytes_moved / self.bytes_per_s else "memory"
