"""What one call must do: operations and bytes."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GroupedLinearWork:
    """N rows through groups of `widths_in[g]` features to `widths_out[g]` outputs of `itemsize` bytes."""

    n: int
    widths_in: Sequence[int]
    widths_out: Sequence[int]
    itemsize: int = 2

    @property
    def flops(self) -> int:
        """The products and the biases."""
        return self.n * (2 * self._weights + sum(self.widths_out))

    @property
    def bytes_moved(self) -> int:
        """Rows, weights and biases in; outputs out."""
        h = sum(self.widths_out)
        return self.itemsize * (self.n * (sum(self.widths_in) + h) + self._weights + h)

    @property
    def _weights(self) -> int:
        return sum(k * h for k, h in zip(self.widths_in, self.widths_out, strict=True))
