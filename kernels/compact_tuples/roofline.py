"""What one call must do: operations and bytes."""

from dataclasses import dataclass

from kernels.compact_tuples.layout import TupleLayout


@dataclass(frozen=True, slots=True)
class CompactTuplesWork:
    """One buffer of this layout."""

    layout: TupleLayout

    @property
    def flops(self) -> int:
        """None: nothing is computed."""
        return 0

    @property
    def bytes_moved(self) -> int:
        """Dictionary, codes and weights in, ids and weights out; offsets stay where they are."""
        given: int = sum(part.stop - part.start for name, part in self.layout.parts().items() if name != "offsets")
        return given + self.layout.num_tuples * (8 + 4 * self.layout.weighted)
