"""What one call must do: operations and bytes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HammingHistWork:
    """N candidates of B users with `pairs` candidate-behaviour pairs over T behaviours, signatures of `bits` bits."""

    n: int
    t: int
    b: int
    pairs: int
    bits: int
    bins: int

    @property
    def flops(self) -> int:
        """A pair's distance as a product of signs, which is what a matrix unit would do; counting is not counted."""
        return 2 * self.pairs * self.bits

    @property
    def bytes_moved(self) -> int:
        """Signatures, index and offsets in, counts out."""
        return (self.n + self.t) * self.bits // 8 + 4 * (self.n + self.b + 1) + 4 * self.n * self.bins
