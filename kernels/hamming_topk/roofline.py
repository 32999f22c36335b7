"""What one call must do: operations and bytes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HammingTopkWork:
    """N candidates with `pairs` pairs over T behaviours of B users, k kept; signatures of `bits` bits."""

    n: int
    t: int
    b: int
    pairs: int
    bits: int
    k: int

    @property
    def flops(self) -> int:
        """A pair's distance as a product of signs, once."""
        return 2 * self.pairs * self.bits

    @property
    def bytes_moved(self) -> int:
        """Signatures, index and offsets in, places and distances out."""
        return (self.n + self.t) * self.bits // 8 + 4 * (self.n + self.b + 1) + 8 * self.n * self.k
