"""What the two halves must do: operations and bytes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BucketMeansWork:
    """T behaviours of B users of D values of `itemsize` bytes, in `groups` groups of `group_bits` bits."""

    t: int
    b: int
    groups: int
    group_bits: int
    d: int
    itemsize: int = 4

    @property
    def cells(self) -> int:
        """Rows of all tables."""
        return self.b * self.groups << self.group_bits

    @property
    def flops(self) -> int:
        """A behaviour is added once a group, a cell divided once."""
        return (self.t * self.groups + self.cells) * self.d

    @property
    def bytes_moved(self) -> int:
        """Signatures, values and offsets in, the tables out."""
        signatures = self.t * self.groups * self.group_bits // 8
        return signatures + (self.t + self.cells) * self.d * self.itemsize + 4 * (self.b + 1)


@dataclass(frozen=True, slots=True)
class SdimPoolWork:
    """The tables of `means`, then N candidates that read one row of each group of them."""

    n: int
    means: BucketMeansWork

    @property
    def flops(self) -> int:
        """A row added a group, and what the tables cost."""
        return self.means.flops + self.n * self.means.groups * self.means.d

    @property
    def bytes_moved(self) -> int:
        """Both halves; of the tables the rows that are asked for are read, each once."""
        m = self.means
        signatures = self.n * m.groups * m.group_bits // 8
        read = min(m.cells, self.n * m.groups)
        return m.bytes_moved + signatures + (read + self.n) * m.d * m.itemsize + 4 * self.n
