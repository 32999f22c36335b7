"""What one call must do: operations and bytes."""

from dataclasses import dataclass

# Operations an element: the maximum, the product with the inverse scale, and what comes before.
OPERATIONS = {"none": 2, "rms": 5, "silu": 6, "hardswish": 7}


@dataclass(frozen=True, slots=True)
class RowwiseQuantWork:
    """N rows of K elements of `itemsize` bytes, to one byte each and a scale a row."""

    n: int
    k: int
    pre: str = "none"
    itemsize: int = 2

    @property
    def flops(self) -> int:
        """Arithmetic of the elements."""
        return OPERATIONS[self.pre] * self.n * self.k

    @property
    def bytes_moved(self) -> int:
        """Rows in, bytes and scales out."""
        return self.n * self.k * (self.itemsize + 1) + 4 * self.n


@dataclass(frozen=True, slots=True)
class LinearWork:
    """A linear in fp8: N rows of K elements of `itemsize` bytes, weights of one byte, H outputs of `itemsize` bytes.

    Its floor by a bf16 ceiling is twice what the fp8 units need where arithmetic decides.
    """

    n: int
    k: int
    h: int
    itemsize: int = 2

    @property
    def flops(self) -> int:
        """The product; the quantisation is not useful work."""
        return 2 * self.n * self.k * self.h

    @property
    def bytes_moved(self) -> int:
        """Rows and weights in, outputs out."""
        return self.itemsize * self.n * (self.k + self.h) + self.k * self.h
