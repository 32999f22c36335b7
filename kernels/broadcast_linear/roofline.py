"""What one call must do: operations and bytes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BroadcastLinearWork:
    """N candidates of K features and B requests' parts, to H outputs of `itemsize` bytes."""

    n: int
    k: int
    h: int
    b: int
    itemsize: int = 2

    @property
    def flops(self) -> int:
        """The candidates' matrix product; adding the request's part is one more per output."""
        return 2 * self.n * self.k * self.h + self.n * self.h

    @property
    def bytes_moved(self) -> int:
        """Candidates, weights, requests' parts and the index in; outputs out."""
        floats = self.n * self.k + self.h * self.k + self.b * self.h + self.n * self.h
        return floats * self.itemsize + 4 * self.n
