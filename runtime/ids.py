"""Ids as they travel: opaque UTF-8 strings, bounded, never empty."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NewType

UserId = NewType("UserId", str)
ItemId = NewType("ItemId", str)

MAX_ID_BYTES = 256  # an id is part of every key and every record; longer ones are refused by name
NUM_BUCKETS = 64  # item rows, item features, activity and epochs are spread over this many keys


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One release of one model; both parts match `[a-z0-9.-]+`."""

    model: str
    version: str

    def __str__(self) -> str:
        return f"{self.model}:{self.version}"


def check_id(field: str, value: str) -> str:
    """Return `value`; raise ValueError naming `field` if it is empty, too long or not encodable."""
    if not value:
        raise ValueError(f"{field} is empty; an id has 1 to {MAX_ID_BYTES} bytes of UTF-8")
    try:
        size = len(value.encode())
    except UnicodeEncodeError as error:
        raise ValueError(f"{field} is not valid UTF-8: {error.reason}") from None
    if size > MAX_ID_BYTES:
        raise ValueError(f"{field} has {size} bytes; at most {MAX_ID_BYTES} are allowed")
    return value


def bucket_of(value: str) -> int:
    """The bucket of an id: crc32 of its UTF-8 modulo 64, the same in every process and language."""
    return zlib.crc32(value.encode()) % NUM_BUCKETS


def buckets_of(values: Iterable[str]) -> list[int]:
    """`bucket_of` each, at half the price."""
    crc32 = zlib.crc32
    return [crc32(value.encode()) % NUM_BUCKETS for value in values]
