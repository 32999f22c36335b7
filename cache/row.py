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
from dataclasses import dataclass

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
    n = len(rows)
    decoded = DecodedRows(
        np.zeros((n, width), np.float32),
        present=np.zeros(n, np.bool_),
        empty=np.zeros(n, np.bool_),
        corrupt=np.zeros(n, np.bool_),
        expired=np.zeros(n, np.bool_),
        rev=np.zeros(n, np.int64),
        as_of_ms=np.zeros(n, np.int64),
        computed_ms=np.zeros(n, np.int64),
        expires_ms=np.zeros(n, np.int64),
    )
    sizes = [-1 if row is None else len(row) for row in rows]
    lengths = {_padded(num_bytes(dtype, width)) for dtype in RowDtype} | {0}
    for length in set(sizes) - {-1}:
        places = np.flatnonzero(np.array(sizes) == length)
        if length - HEADER_BYTES in lengths:
            joined = b"".join([row for row in rows if row is not None and len(row) == length])
            data = np.frombuffer(joined, np.uint8).reshape(len(places), length)
            _decode_equal(data, places, kind, version_tag(release), width, now_ms, decoded)
        else:
            decoded.corrupt[places] = True
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
    data: NDArray[np.uint8],
    places: NDArray[np.intp],
    kind: RowKind,
    tag: int,
    width: int,
    now_ms: int,
    decoded: DecodedRows,
) -> None:
    """Decode rows of equal length, data [n, length], into their places."""
    header = np.ascontiguousarray(data[:, :HEADER_BYTES]).view(HEADER)[:, 0]
    values = data[:, HEADER_BYTES:]
    empty = np.full(len(data), values.shape[1] == 0)
    sound = (header["magic"] == MAGIC) & (header["format"] == FORMAT) & (header["kind"] == kind)
    sound &= (header["version_tag"] == tag) & (header["width"] == np.where(empty, 0, width))
    sound &= np.isfinite(header["scale"]) & np.isfinite(header["offset"])
    for name in ("rev", "as_of_ms", "computed_ms", "expires_ms"):
        sound &= header[name] < MAX_INTEGER
    sound &= header["checksum"] == checksum(data.view("<u8"), LEFT_OUT)
    known = empty.copy()
    for dtype in RowDtype:
        size = num_bytes(dtype, width)
        if _padded(size) != values.shape[1]:
            continue
        chosen = header["dtype"] == dtype
        known |= chosen
        if (chosen & sound).any():
            chosen &= sound
            scale, offset = header["scale"][chosen], header["offset"][chosen]
            decoded.values[places[chosen]] = dequantise(values[chosen, :size], dtype, width, scale, offset)
    sound &= known
    expired = sound & (header["expires_ms"] != 0) & (header["expires_ms"] <= max(now_ms, 0))
    present = sound & ~expired & ~empty
    decoded.values[places[~present]] = 0
    decoded.present[places] = present
    decoded.empty[places] = sound & empty & ~expired
    decoded.corrupt[places] = ~sound
    decoded.expired[places] = expired
    for name in ("rev", "as_of_ms", "computed_ms", "expires_ms"):
        getattr(decoded, name)[places] = np.where(sound, header[name], 0)


def _padded(size: int) -> int:
    return -(-size // PADDING) * PADDING
