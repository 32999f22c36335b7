"""What one call must do: operations and bytes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HashIdsWork:
    """T ids of F features."""

    t: int
    features: int

    @property
    def flops(self) -> int:
        """None: integers."""
        return 0

    @property
    def bytes_moved(self) -> int:
        """Ids, offsets, sizes and seeds in, rows out."""
        return 12 * self.t + 20 * self.features + 4
