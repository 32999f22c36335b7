"""What one call must do: operations and bytes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SimhashPackWork:
    """n vectors of D elements of `itemsize` bytes, to `bits` bits each."""

    n: int
    d: int
    bits: int
    itemsize: int = 2

    @property
    def flops(self) -> int:
        """The projection; comparing and packing are free beside it."""
        return 2 * self.n * self.d * self.bits

    @property
    def bytes_moved(self) -> int:
        """Vectors and directions in, words out."""
        return (self.n * self.d + self.bits * self.d) * self.itemsize + self.n * self.bits // 8
