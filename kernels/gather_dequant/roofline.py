"""What one call must do: operations and bytes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GatherDequantWork:
    """N candidates with F features of d values of `bits` bits, a share `hit_rate` of them found."""

    n: int
    features: int
    d: int
    bits: int = 8
    header_bytes: int = 8  # scale and offset; the rest of a header is not read
    out_itemsize: int = 2
    hit_rate: float = 1.0

    @property
    def flops(self) -> int:
        """A scale and an offset per value."""
        return 2 * self.n * self.features * self.d

    @property
    def bytes_moved(self) -> int:
        """Values, scales and offsets of what was found and the slots in; floats out. The defaults stay in cache."""
        pairs = self.n * self.features
        found = round(pairs * self.hit_rate)
        return found * (self.d * self.bits // 8 + self.header_bytes) + pairs * self.d * self.out_itemsize + 4 * pairs


@dataclass(frozen=True, slots=True)
class GatherDequantPoolWork:
    """`slots` rows of d values of `bits` bits in M bags, a share `hit_rate` of them found."""

    bags: int
    slots: int
    d: int
    bits: int = 8
    header_bytes: int = 8
    out_itemsize: int = 2
    hit_rate: float = 1.0

    @property
    def flops(self) -> int:
        """A scale, an offset and an addition per value that was found, and a division per bag's value."""
        return 3 * round(self.slots * self.hit_rate) * self.d + self.bags * self.d

    @property
    def bytes_moved(self) -> int:
        """Values, scales and offsets of what was found, slots and offsets of bags in; floats and hits out."""
        found = round(self.slots * self.hit_rate)
        rows = found * (self.d * self.bits // 8 + self.header_bytes)
        return rows + 4 * (self.slots + self.bags + 1) + self.bags * (self.d * self.out_itemsize + 1)
