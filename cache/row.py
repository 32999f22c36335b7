"""A row: what is stored of one user, item, pair or aggregate, as bytes.

A header of 64 bytes, little-endian, then the values, padded with zeros to a multiple of 16 bytes:

| offset | type | field |
|---|---|---|
| 0 | u16 | magic 0x5253 |
| 2 | u8 | format, 1 |
| 3 | u8 | dtype of the values (`RowDtype`) |
| 4 | u8 | kind (`RowKind`) |
| 5 | u8 | reserved, 0 |
| 6 | u16 | rev check: 1 + sum of byte_i of rev x (2 i + 1); lets a script distrust a damaged rev without the checksum |
| 8 | u32 | width: number of values; 0 for a negative answer or a deletion |
| 12 | u32 | version tag: crc32 of `<model>:<version>` |
| 16 | u64 | rev |
| 24 | u64 | as_of_ms: the newest event it includes |
| 32 | u64 | computed_ms: the store's time when it was written; written by the store |
| 40 | u64 | expires_ms: not to be used from then on, 0 for never; written by the store |
| 48 | f32 | scale |
| 52 | f32 | offset |
| 56 | u64 | checksum (`cache.checksum`) over all of the row but computed_ms, expires_ms and itself |

Integers stay below 2^53, since Redis' Lua knows only doubles.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cache.checksum import checksum
from cache.header import (
    FORMAT,
    HEADER,
    HEADER_BYTES,
    LEFT_OUT,
    MAGIC,
    MAX_INTEGER,
    RowKind,
    claims,
    padded,
    rev_check,
    rev_of,
    stamped,
    times_of,
    version_tag,
    width_of,
)
from cache.packed import PackedRows
from cache.quantise import RowDtype, num_bytes, quantise
from runtime.ids import ModelVersion

__all__ = [
    "HEADER_BYTES",
    "DecodedRows",
    "RowDtype",
    "RowKind",
    "decode_rows",
    "encode_empty",
    "encode_rows",
    "rev_of",
    "stamped",
    "times_of",
    "version_tag",
    "width_of",
]


@dataclass(frozen=True, slots=True)
class DecodedRows:
    """N rows after decoding. Each is exactly one of present, empty, corrupt, expired, or (none of these) absent.

    The integers are zeros where absent or corrupt.
    """

    packed: PackedRows  # those that are present
    present: NDArray[np.bool_]  # [N] has values that may be used
    empty: NDArray[np.bool_]  # [N] a negative answer or a deletion, still valid
    corrupt: NDArray[np.bool_]  # [N] a miss, to be counted
    expired: NDArray[np.bool_]  # [N] sound, but past its time
    rev: NDArray[np.int64]  # [N]
    as_of_ms: NDArray[np.int64]  # [N]
    computed_ms: NDArray[np.int64]  # [N]
    expires_ms: NDArray[np.int64]  # [N] 0 for never

    @property
    def values(self) -> NDArray[np.float32]:
        """[N, W] float32, zeros where not present; decoded at every call."""
        return self.packed.values()


_ARRAYS: Final = tuple(field.name for field in fields(DecodedRows) if field.name != "packed")


def encode_rows(
    kind: RowKind,
    release: ModelVersion,
    values: NDArray[np.float32],
    *,
    rev: Sequence[int],
    as_of_ms: Sequence[int],
    dtype: RowDtype = RowDtype.FP16,
) -> list[bytes]:
    """Rows of values [N, W], W > 0, without computed_ms and expires_ms. Raises ValueError on values not finite."""
    if values.ndim != 2 or not values.shape[1]:
        raise ValueError(f"values are {values.shape}; rows are [N, W] with W > 0")
    if not np.isfinite(values).all():
        raise ValueError("values are not finite")
    if not len(values):
        return []
    data, scale, offset = quantise(np.ascontiguousarray(values, np.float32), dtype)
    return _encoded(kind, release, values.shape[1], dtype, rev, as_of_ms, data, scale, offset)


def encode_empty(kind: RowKind, release: ModelVersion, *, rev: int, as_of_ms: int) -> bytes:
    """A row of width zero: nothing is known (negative answer), or it was deleted."""
    data, zero = np.zeros((1, 0), np.uint8), np.zeros(1, np.float32)
    return _encoded(kind, release, 0, RowDtype.FP16, [rev], [as_of_ms], data, zero, zero)[0]


def decode_rows(
    rows: Sequence[bytes | None], kind: RowKind, release: ModelVersion, width: int, now_ms: int
) -> DecodedRows:
    """Decode rows of one kind and release, W = `width`; never raises on their content, whatever it is."""
    lengths = [-1 if row is None else len(row) for row in rows]
    different = set(lengths)
    if len(different) == 1 and -1 not in different:  # mostly, and then nothing is put into place
        return _decode_equal(rows, kind, release, width, now_ms)
    flags, numbers = _blank(len(rows))
    packed: list[tuple[NDArray[np.intp], PackedRows]] = []
    decoded = DecodedRows(PackedRows.none(len(rows), width), *flags, *numbers)
    length_of = np.array(lengths)
    for length in different - {-1}:
        places = np.flatnonzero(length_of == length)
        part = _decode_equal([rows[index] for index in places.tolist()], kind, release, width, now_ms)
        for name in _ARRAYS:
            getattr(decoded, name)[places] = getattr(part, name)
        if part.present.any():
            packed.append((places, part.packed))
    return replace(decoded, packed=_put_into_place(packed, len(rows), width))


def _encoded(
    kind: RowKind,
    release: ModelVersion,
    width: int,
    dtype: RowDtype,
    rev: Sequence[int],
    as_of_ms: Sequence[int],
    data: NDArray[np.uint8],
    scale: NDArray[np.float32],
    offset: NDArray[np.float32],
) -> list[bytes]:
    n = len(data)
    if len(rev) != n or len(as_of_ms) != n:
        raise ValueError(f"{n} rows, but {len(rev)} rev and {len(as_of_ms)} as_of_ms")
    if not all(0 <= number < MAX_INTEGER for numbers in (rev, as_of_ms) for number in numbers):
        raise ValueError("rev and as_of_ms are integers from 0 to 2^53")
    header = np.zeros(n, HEADER)
    header["magic"], header["format"], header["dtype"], header["kind"] = MAGIC, FORMAT, dtype, kind
    header["width"], header["version_tag"] = width, version_tag(release)
    header["rev"], header["as_of_ms"] = rev, as_of_ms
    header["rev_check"] = rev_check(header["rev"])
    header["scale"], header["offset"] = scale, offset
    length = HEADER_BYTES + padded(data.shape[1])
    packed = np.zeros((n, length), np.uint8)
    packed[:, :HEADER_BYTES] = header.view(np.uint8).reshape(n, HEADER_BYTES)
    packed[:, HEADER_BYTES : HEADER_BYTES + data.shape[1]] = data
    words = packed.view("<u8")
    words[:, 7] = checksum(words, LEFT_OUT)
    joined = packed.tobytes()
    return [joined[start : start + length] for start in range(0, n * length, length)]


def _decode_equal(
    rows: Sequence[bytes | None], kind: RowKind, release: ModelVersion, width: int, now_ms: int
) -> DecodedRows:
    """Decode N > 0 rows of equal length, none of them None."""
    joined, n = b"".join([row for row in rows if row is not None]), len(rows)
    dtypes = _layouts(width).get(len(joined) // n)
    if dtypes is None:
        flags, numbers = _blank(n)
        flags[2] = True  # corrupt
        return DecodedRows(PackedRows.none(n, width), *flags, *numbers)
    words = np.frombuffer(joined, "<u8").reshape(n, -1)
    head = np.ascontiguousarray(words[:, : HEADER_BYTES // 8])
    header, numbers = head.view(HEADER)[:, 0], head.T[2:6].copy()  # rev, as_of_ms, computed_ms, expires_ms
    sound = claims(head, kind, version_tag(release), width if dtypes else 0)
    sound &= np.isfinite(head.view("<f4")[:, 12:14]).all(axis=1)  # scale and offset
    sound &= np.bitwise_or.reduce(numbers) < MAX_INTEGER  # a power of two: whatever is not below sets a higher bit
    sound &= header["checksum"] == checksum(words, LEFT_OUT)
    of_dtype = {dtype: header["dtype"] == dtype for dtype in dtypes}
    if dtypes:
        sound &= np.logical_or.reduce(list(of_dtype.values()))
    expired = sound & (numbers[3] != 0) & (numbers[3] <= max(now_ms, 0))
    usable, never = sound & ~expired, np.zeros(n, np.bool_)
    return DecodedRows(
        _packed_of(words.view(np.uint8), {dtype: usable & mask for dtype, mask in of_dtype.items()}, width),
        usable if dtypes else never,
        never if dtypes else usable,
        ~sound,
        expired,
        *np.where(sound, numbers, 0).astype(np.int64),
    )


def _packed_of(staging: NDArray[np.uint8], chosen: dict[RowDtype, NDArray[np.bool_]], width: int) -> PackedRows:
    """Those that are chosen as of a dtype, of N rows of equal length; rows of different dtypes become FP16."""
    n = len(staging)
    places = np.arange(n, dtype=np.int32)
    parts = [
        PackedRows(staging, places if mask.all() else np.where(mask, places, np.int32(-1)), dtype, width)
        for dtype, mask in chosen.items()
        if mask.any()
    ]
    if len(parts) == 1:  # mostly
        return parts[0]
    if not parts:
        return PackedRows.none(n, width)
    values = np.sum([part.values() for part in parts], axis=0)
    return PackedRows.of_values(values).only_where(np.logical_or.reduce(list(chosen.values())))


def _put_into_place(parts: Sequence[tuple[NDArray[np.intp], PackedRows]], n: int, width: int) -> PackedRows:
    """N rows of which each part has some."""
    if not parts:
        return PackedRows.none(n, width)
    joined = PackedRows.joined([part for _, part in parts], width)
    slot = np.full(n, -1, np.int32)
    slot[np.concatenate([places for places, _ in parts])] = joined.slot
    return replace(joined, slot=slot)


def _blank(n: int) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    return np.zeros((4, n), np.bool_), np.zeros((4, n), np.int64)


@lru_cache(maxsize=64)
def _layouts(width: int) -> dict[int, tuple[RowDtype, ...]]:
    """The dtypes whose rows of `width` values have a length; none for that of an empty row."""
    lengths = {dtype: HEADER_BYTES + padded(num_bytes(dtype, width)) for dtype in RowDtype}
    layouts = {length: tuple(d for d in RowDtype if lengths[d] == length) for length in lengths.values()}
    return layouts | {HEADER_BYTES: ()}
