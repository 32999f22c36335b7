"""The format: lists of (id, weight) tuples in one buffer, each id a short code into a dictionary of the batch.

| part | type | content |
|---|---|---|
| offsets | u32 [M + 1] | where each of the M lists begins among the tuples, and where the last ends |
| dictionary | i64 [U] | the distinct ids, ascending |
| codes | u16 [T] if U <= 65536, else u32 | which of the dictionary each tuple has |
| weights | f16 [T], or nothing | |

Little-endian, every part at the next multiple of 16 bytes. The sizes travel beside the buffer, so that nobody has to
read it to allocate. What a request says once stands once: a request's features have one list per request, not per
candidate.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ALIGNMENT = 16
MAX_TUPLES = 1 << 31


@dataclass(frozen=True, slots=True)
class TupleLayout:
    """How many lists, distinct ids and tuples a buffer holds, and whether they are weighted."""

    num_lists: int
    num_distinct: int
    num_tuples: int
    weighted: bool

    @property
    def code_bytes(self) -> int:
        """2 where the dictionary allows it, else 4."""
        return 2 if self.num_distinct <= 1 << 16 else 4

    def parts(self) -> dict[str, slice]:
        """Bytes of offsets, dictionary, codes and weights."""
        return dict(zip(("offsets", "dictionary", "codes", "weights"), self._ranges(), strict=True))

    @property
    def num_bytes(self) -> int:
        """Of the whole buffer."""
        end: int = self.parts()["weights"].stop
        return -(-end // ALIGNMENT) * ALIGNMENT

    def _ranges(self) -> Iterator[slice]:
        end = 0
        for size in (
            4 * (self.num_lists + 1),
            8 * self.num_distinct,
            self.code_bytes * self.num_tuples,
            2 * self.num_tuples * self.weighted,
        ):
            start = -(-end // ALIGNMENT) * ALIGNMENT
            end = start + size
            yield slice(start, end)


def pack_tuples(
    lengths: NDArray[np.integer], ids: NDArray[np.int64], weights: NDArray[np.float32] | None = None
) -> tuple[NDArray[np.uint8], TupleLayout]:
    """The buffer of lists of `lengths` [M] with `ids` [T] and, rounded to half floats, `weights` [T].

    Raises TypeError where lengths or ids are not arrays of integers that int64 holds, ValueError where the lengths are
    negative or do not add up, or a weight is not finite as a half float.
    """
    for name, array in (("lengths", lengths), ("ids", ids)):
        if not isinstance(array, np.ndarray) or not np.can_cast(array.dtype, np.int64):
            what = array.dtype if isinstance(array, np.ndarray) else f"a {type(array).__name__}"
            raise TypeError(f"{name} is {what}; an array of integers that int64 holds is expected")
    if (lengths < 0).any() or lengths.sum() != len(ids) or len(ids) >= MAX_TUPLES:
        raise ValueError(f"lengths add up to {lengths.sum()}, from {min(lengths, default=0)}; there are {len(ids)} ids")
    if weights is not None and len(weights) != len(ids):
        raise ValueError(f"{len(weights)} weights; there are {len(ids)} ids")
    dictionary, codes = np.unique(ids, return_inverse=True)
    layout = TupleLayout(len(lengths), len(dictionary), len(ids), weights is not None)
    parts: dict[str, NDArray[np.generic]] = {
        "offsets": np.concatenate([[0], np.cumsum(lengths)]).astype("<u4"),
        "dictionary": dictionary.astype("<i8"),
        "codes": codes.reshape(-1).astype(f"<u{layout.code_bytes}"),
    }
    if weights is not None:
        with np.errstate(over="ignore"):
            halves = weights.astype("<f2")
        if not np.isfinite(halves).all():
            raise ValueError("weights are not finite as half floats")
        parts["weights"] = halves
    buffer = np.zeros(layout.num_bytes, np.uint8)
    where = layout.parts()
    for name, part in parts.items():
        buffer[where[name]] = part.view(np.uint8)
    return buffer, layout
