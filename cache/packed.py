"""Rows as they were stored, decoded only where their values are asked for: on a GPU that is done there."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cache.header import HEADER_BYTES, OFFSET_AT, SCALE_AT, padded
from cache.quantise import RowDtype, dequantise, num_bytes, quantise


@dataclass(frozen=True, slots=True)
class PackedRows:
    """S rows of one dtype, whole and padded, and which of them each of N has.

    Rows that nobody has may hold anything.
    """

    staging: NDArray[np.uint8]  # [S, row_bytes]
    slot: NDArray[np.int32]  # [N] a row of staging, -1 for none
    dtype: RowDtype
    width: int

    @classmethod
    def none(cls, n: int, width: int) -> "PackedRows":
        """N times no row."""
        return cls(_staging(0, width), np.full(n, -1, np.int32), RowDtype.FP16, width)

    @classmethod
    def of_values(cls, values: NDArray[np.float32]) -> "PackedRows":
        """Values [N, W] as FP16 rows with an empty header."""
        n, width = values.shape
        staging = _staging(n, width)
        staging[:, HEADER_BYTES : HEADER_BYTES + 2 * width] = quantise(values, RowDtype.FP16)[0]
        return cls(staging, np.arange(n, dtype=np.int32), RowDtype.FP16, width)

    @classmethod
    def joined(cls, parts: Sequence["PackedRows"], width: int) -> "PackedRows":
        """All of these, one after the other; of different dtypes they become FP16."""
        if len(parts) == 1:
            return parts[0]
        if len({part.dtype for part in parts if len(part.staging)}) > 1:
            parts = [part.as_fp16() for part in parts]
        held = [part for part in parts if len(part.staging)]
        if not held:
            return cls.none(sum(len(part.slot) for part in parts), width)
        first = np.cumsum([0, *(len(part.staging) for part in parts)]).astype(np.int32)
        slots = [np.where(part.slot >= 0, part.slot + at, np.int32(-1)) for part, at in zip(parts, first, strict=False)]
        staging = np.concatenate([part.staging for part in held])
        return cls(staging, np.concatenate(slots), held[0].dtype, width)

    @property
    def in_order(self) -> bool:
        """Whether the rows are those of the N in their order: mostly, and then nothing is put into place."""
        return len(self.slot) == len(self.staging) and np.array_equal(self.slot, np.arange(len(self.staging)))

    def values(self) -> NDArray[np.float32]:
        """[N, W] float32, zeros where there is no row."""
        whole = self._dequantised()
        if self.in_order:
            return whole
        if not len(whole):
            return np.zeros((len(self.slot), self.width), np.float32)
        values = whole.take(self.slot, axis=0, mode="clip")
        values[self.slot < 0] = 0
        return values

    def take(self, indices: NDArray[np.intp]) -> "PackedRows":
        """Those of these [M], and no other rows."""
        slot = self.slot[indices]
        used, place = np.unique(slot[slot >= 0], return_inverse=True)
        slot[slot >= 0] = place
        return replace(self, staging=self.staging[used], slot=slot)

    def only_where(self, kept: NDArray[np.bool_]) -> "PackedRows":
        """The same without those that are not `kept` [N]."""
        return replace(self, slot=np.where(kept, self.slot, np.int32(-1)))

    def or_else(self, other: "PackedRows", filled: NDArray[np.bool_]) -> "PackedRows":
        """The one row of `other` where `filled` [N]."""
        if not filled.any():  # mostly, where the pairs of a user are kept fresh
            return self
        mine, theirs = self._like(other)
        staging = np.concatenate([mine.staging, theirs.staging[theirs.slot]])
        return PackedRows(staging, np.where(filled, np.int32(len(mine.staging)), mine.slot), mine.dtype, self.width)

    def as_fp16(self) -> "PackedRows":
        """The same rows as FP16; what they were is rounded to half floats."""
        return self if self.dtype is RowDtype.FP16 else PackedRows.of_values(self.values()).only_where(self.slot >= 0)

    def stored(self) -> NDArray[np.uint8]:
        """[S, values and their padding] of the rows, without their headers."""
        return self.staging[:, HEADER_BYTES:]

    def _like(self, other: "PackedRows") -> tuple["PackedRows", "PackedRows"]:
        return (self, other) if self.dtype is other.dtype else (self.as_fp16(), other.as_fp16())

    def _dequantised(self) -> NDArray[np.float32]:
        floats, data = self.staging.view("<f4"), self.staging[:, HEADER_BYTES:]
        data = data[:, : num_bytes(self.dtype, self.width)]
        with np.errstate(over="ignore", invalid="ignore"):  # rows that nobody has
            return dequantise(data, self.dtype, self.width, floats[:, SCALE_AT // 4], floats[:, OFFSET_AT // 4])


def _staging(n: int, width: int) -> NDArray[np.uint8]:
    return np.zeros((n, HEADER_BYTES + padded(num_bytes(RowDtype.FP16, width))), np.uint8)
