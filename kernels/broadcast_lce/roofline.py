"""What one call must do: operations and bytes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BroadcastLceWork:
    """N candidates of K embeddings of d, compressed to M each, and B requests' parts, in `itemsize` bytes."""

    n: int
    m: int
    d: int
    k: int
    b: int
    itemsize: int = 2

    @property
    def flops(self) -> int:
        """The candidates' matrix product; adding the request's part is one more per output."""
        return 2 * self.n * self.m * self.d * self.k + self.n * self.m * self.d

    @property
    def bytes_moved(self) -> int:
        """Embeddings, weight, requests' parts and the index in; outputs out."""
        floats = self.n * self.k * self.d + self.m * self.k + self.b * self.m * self.d + self.n * self.m * self.d
        return floats * self.itemsize + 4 * self.n
