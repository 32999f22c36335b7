"""What one call must do: operations and bytes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HammingPoolWork:
    """N candidates with `pairs` pairs over T behaviours of D values of `itemsize` bytes; signatures of `bits` bits."""

    n: int
    t: int
    b: int
    pairs: int
    bits: int
    d: int
    itemsize: int = 2

    @property
    def flops(self) -> int:
        """A pair's distance as a product of signs, and its share of the sum."""
        return 2 * self.pairs * (self.bits + self.d)

    @property
    def bytes_moved(self) -> int:
        """Signatures, values, table, index and offsets in, sums out."""
        signatures = (self.n + self.t) * self.bits // 8
        return signatures + (self.n + self.t) * self.d * self.itemsize + 4 * (self.bits + self.n + self.b + 2)


@dataclass(frozen=True, slots=True)
class HammingPoolLinearWork:
    """The same with a weight affine in the distance: moments of B users' T behaviours, then N candidates."""

    n: int
    t: int
    b: int
    bits: int
    d: int
    itemsize: int = 2

    @property
    def flops(self) -> int:
        """Two products with signs; no pair."""
        return 2 * (self.n + self.t) * self.bits * self.d + self.t * self.d

    @property
    def bytes_moved(self) -> int:
        """Signatures, values, index and offsets in, moments and sums out and in, sums of the candidates out."""
        signatures = (self.n + self.t) * self.bits // 8
        floats = (self.n + self.t) * self.d + 2 * self.b * (self.bits + 1) * self.d
        return signatures + floats * self.itemsize + 4 * (self.n + self.b + 1)
