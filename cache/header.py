"""The header of a row, field by field; its byte table stands in `cache.row`."""

import struct
import zlib
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from runtime.ids import ModelVersion

MAGIC: Final = 0x5253
FORMAT: Final = 1
HEADER_BYTES: Final = 64
PADDING: Final = 16
SCALE_AT: Final = 48
OFFSET_AT: Final = 52
MAX_INTEGER: Final = 1 << 53
_STAMP: Final = struct.Struct("<QQ")  # computed_ms and expires_ms
_STAMP_AT: Final = 32
_REV_WEIGHTS: Final = np.arange(1, 16, 2, dtype=np.uint16)
_IDENTITY: Final = np.uint64(0x0000_00FF_00FF_FFFF)  # of the first word: magic, format and kind
LEFT_OUT: Final = (4, 5, 7)  # words of computed_ms, expires_ms and the checksum

HEADER: Final = np.dtype(
    [
        ("magic", "<u2"),
        ("format", "u1"),
        ("dtype", "u1"),
        ("kind", "u1"),
        ("reserved", "u1"),
        ("rev_check", "<u2"),
        ("width", "<u4"),
        ("version_tag", "<u4"),
        ("rev", "<u8"),
        ("as_of_ms", "<u8"),
        ("computed_ms", "<u8"),
        ("expires_ms", "<u8"),
        ("scale", "<f4"),
        ("offset", "<f4"),
        ("checksum", "<u8"),
    ]
)


class RowKind(IntEnum):
    """What a row describes."""

    USER = 1
    ITEM = 2
    PAIR = 3
    AGGREGATE = 4


def padded(num_bytes: int) -> int:
    """How long the values of a row are with their padding."""
    return -(-num_bytes // PADDING) * PADDING


def version_tag(release: ModelVersion) -> int:
    """What the header says of the release: crc32 of `<model>:<version>`."""
    return zlib.crc32(str(release).encode())


def stamped(row: bytes, computed_ms: int, expires_ms: int) -> bytes:
    """The row with the two times that the store writes."""
    return row[:_STAMP_AT] + _STAMP.pack(computed_ms, expires_ms) + row[_STAMP_AT + _STAMP.size :]


def times_of(row: bytes) -> tuple[int, int]:
    """computed_ms and expires_ms of a row at least as long as a header."""
    computed_ms, expires_ms = _STAMP.unpack_from(row, _STAMP_AT)
    return computed_ms, expires_ms


def rev_of(row: bytes | None) -> int:
    """The row's rev; -1 for no row and for one whose rev is damaged, so that any write replaces it."""
    if row is None or len(row) < HEADER_BYTES:
        return -1
    check = 1 + sum(byte * (2 * i + 1) for i, byte in enumerate(row[16:24]))
    return int.from_bytes(row[16:24], "little") if check == int.from_bytes(row[6:8], "little") else -1


def width_of(row: bytes) -> int:
    """Number of values that the header claims."""
    return int.from_bytes(row[8:12], "little")


def claims(head: NDArray[np.uint64], kind: RowKind, tag: int, width: int) -> NDArray[np.bool_]:
    """Whether each header, words [N, 8], says that it is one of ours, of this kind, release and width [N]."""
    ours, tag_and_width = MAGIC | FORMAT << 16 | kind << 32, width | tag << 32
    says: NDArray[np.bool_] = (head[:, 0] & _IDENTITY) == np.uint64(ours)
    says &= head[:, 1] == np.uint64(tag_and_width)
    return says


def rev_check(rev: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """The check [N] of revs [N]; see the byte table."""
    parts = np.ascontiguousarray(rev).view(np.uint8).reshape(-1, 8).astype(np.uint16)
    check: NDArray[np.uint16] = np.uint16(1) + (parts * _REV_WEIGHTS).sum(axis=1, dtype=np.uint16)
    return check
