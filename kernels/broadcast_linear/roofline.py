"""What one call must do: operations and bytes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BroadcastLinearWork:
    """N candidates of K features and B requests' parts, to H outputs.

    `itemsize` is of candidates and weights in bytes; `beside` counts further inputs [N, H], as the cross epilogue has
    two; `out_itemsize` is of everything else, where it differs (fp8).
    """

    n: int
    k: int
    h: int
    b: int
    itemsize: int = 2
    beside: int = 0
    out_itemsize: int = 0

    @property
    def flops(self) -> int:
        """The candidates' matrix product; adding the request's part is one more per output."""
        return 2 * self.n * self.k * self.h + self.n * self.h

    @property
    def bytes_moved(self) -> int:
        """Candidates, weights, requests' parts, what lies beside and the index in; outputs out."""
        operands = (self.n * self.k + self.h * self.k) * self.itemsize
        outputs = (self.b * self.h + (1 + self.beside) * self.n * self.h) * (self.out_itemsize or self.itemsize)
        return operands + outputs + 4 * self.n
