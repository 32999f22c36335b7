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
from dataclasses import dataclass, fields
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
    PADDING,
    RowKind,
    rev_check,
    rev_of,
    stamped,
    times_of,
    version_tag,
    width_of,
)
from cache.quantise import RowDtype, dequantise, num_bytes, quantise
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

    `values` are zeros where not present; the integers are zeros where absent or corrupt.
    """

    values: NDArray[np.float32]  # [N, W]
    present: NDArray[np.bool_]  # [N] has values that may be used
    empty: NDArray[np.bool_]  # [N] a negative answer or a deletion, still valid
    corrupt: NDArray[np.bool_]  # [N] a miss, to be counted
    expired: NDArray[np.bool_]  # [N] sound, but past its time
    rev: NDArray[np.int64]  # [N]
    as_of_ms: NDArray[np.int64]  # [N]
    computed_ms: NDArray[np.int64]  # [N]
    expires_ms: NDArray[np.int64]  # [N] 0 for never


_ARRAYS: Final = tuple(field.name for field in fields(DecodedRows))


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
    return _packed(kind, release, values.shape[1], dtype, rev, as_of_ms, data, scale, offset)


def encode_empty(kind: RowKind, release: ModelVersion, *, rev: int, as_of_ms: int) -> bytes:
    """A row of width zero: nothing is known (negative answer), or it was deleted."""
    data, zero = np.zeros((1, 0), np.uint8), np.zeros(1, np.float32)
    return _packed(kind, release, 0, RowDtype.FP16, [rev], [as_of_ms], data, zero, zero)[0]


def decode_rows(
    rows: Sequence[bytes | None], kind: RowKind, release: ModelVersion, width: int, now_ms: int
) -> DecodedRows:
    """Decode rows of one kind and release, W = `width`; never raises on their content, whatever it is."""
    decoded = _absent(len(rows), width)
    layouts = _layouts(width)
    for length in {len(row) for row in rows if row is not None}:
        found = [row for row in rows if row is not None and len(row) == length]
        places: slice | NDArray[np.intp] = slice(None)  # mostly it is all of them
        if len(found) < len(rows):
            places = np.array([index for index, row in enumerate(rows) if row is not None and len(row) == length])
        if length not in layouts:
            decoded.corrupt[places] = True
            continue
        words = np.frombuffer(b"".join(found), "<u8").reshape(len(found), -1)
        part = _decode_equal(words, layouts[length], kind, version_tag(release), width, now_ms)
        for name in _ARRAYS:
            getattr(decoded, name)[places] = getattr(part, name)
    return decoded


def _packed(
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
    length = HEADER_BYTES + _padded(data.shape[1])
    packed = np.zeros((n, length), np.uint8)
    packed[:, :HEADER_BYTES] = header.view(np.uint8).reshape(n, HEADER_BYTES)
    packed[:, HEADER_BYTES : HEADER_BYTES + data.shape[1]] = data
    words = packed.view("<u8")
    words[:, 7] = checksum(words, LEFT_OUT)
    joined = packed.tobytes()
    return [joined[start : start + length] for start in range(0, n * length, length)]


def _decode_equal(
    words: NDArray[np.uint64], dtypes: Sequence[RowDtype], kind: RowKind, tag: int, width: int, now_ms: int
) -> DecodedRows:
    """Decode rows of equal length, words [N, length / 8], that can only be of these dtypes (none: of width zero)."""
    head = np.ascontiguousarray(words[:, : HEADER_BYTES // 8])
    header, numbers = head.view(HEADER)[:, 0], head.T[2:6].copy()  # rev, as_of_ms, computed_ms, expires_ms
    sound = (header["magic"] == MAGIC) & (header["format"] == FORMAT) & (header["kind"] == kind)
    sound &= (header["version_tag"] == tag) & (header["width"] == (width if dtypes else 0))
    sound &= np.isfinite(header["scale"]) & np.isfinite(header["offset"])
    sound &= np.bitwise_or.reduce(numbers) < MAX_INTEGER  # a power of two: whatever is not below sets a higher bit
    sound &= header["checksum"] == checksum(words, LEFT_OUT)
    of_dtype = {dtype: header["dtype"] == dtype for dtype in dtypes}
    if dtypes:
        sound &= np.logical_or.reduce(list(of_dtype.values()))
    expired = sound & (numbers[3] != 0) & (numbers[3] <= max(now_ms, 0))
    usable = sound & ~expired
    values, data = np.zeros((len(words), width), np.float32), words.view(np.uint8)[:, HEADER_BYTES:]
    for dtype, mask in of_dtype.items():
        if (chosen := usable & mask).any():
            rows = slice(None) if chosen.all() else chosen  # nothing is copied when it is all of them
            scale, offset = header["scale"][rows], header["offset"][rows]
            values[rows] = dequantise(data[rows, : num_bytes(dtype, width)], dtype, width, scale, offset)
    none = np.zeros(len(words), np.bool_)
    rev, as_of_ms, computed_ms, expires_ms = np.where(sound, numbers, 0).astype(np.int64)
    return DecodedRows(
        values,
        usable if dtypes else none,
        none if dtypes else usable,
        ~sound,
        expired,
        rev,
        as_of_ms,
        computed_ms,
        expires_ms,
    )


def _absent(n: int, width: int) -> DecodedRows:
    flags, numbers = np.zeros((4, n), np.bool_), np.zeros((4, n), np.int64)
    return DecodedRows(np.zeros((n, width), np.float32), *flags, *numbers)


@lru_cache(maxsize=64)
def _layouts(width: int) -> dict[int, tuple[RowDtype, ...]]:
    """The dtypes whose rows of `width` values have a length; none for that of an empty row."""
    lengths = {dtype: HEADER_BYTES + _padded(num_bytes(dtype, width)) for dtype in RowDtype}
    layouts = {length: tuple(d for d in RowDtype if lengths[d] == length) for length in lengths.values()}
    return layouts | {HEADER_BYTES: ()}


def _padded(size: int) -> int:
    return -(-size // PADDING) * PADDING
