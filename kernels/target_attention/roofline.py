"""What one call must do: operations and bytes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TargetAttentionWork:
    """N candidates of H heads, E wide, over `keys` keys in all; `pairs` is the sum over requests of both lengths'
    product: N * L where all histories are L long. The self term is one key more for every candidate."""

    n: int
    h: int
    e: int
    keys: int
    pairs: int
    itemsize: int = 2
    own: bool = False

    @property
    def flops(self) -> int:
        """Two products of a candidate with every key it reads; exponentials are not counted."""
        return 4 * (self.pairs + self.own * self.n) * self.h * self.e

    @property
    def bytes_moved(self) -> int:
        """Candidates in and out, keys and values once per request."""
        rows = 2 * self.n + 2 * self.keys + 2 * self.own * self.n
        return rows * self.h * self.e * self.itemsize
