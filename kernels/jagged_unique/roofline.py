"""What one call must do: operations and bytes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JaggedUniqueWork:
    """n keys of which `distinct` differ."""

    n: int
    distinct: int

    @property
    def flops(self) -> int:
        """None: integers."""
        return 0

    @property
    def bytes_moved(self) -> int:
        """Keys in, distinct keys, inverse and count out; the table is ours and not counted."""
        return 12 * self.n + 8 * self.distinct + 4
