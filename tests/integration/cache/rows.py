"""Small rows for the store's tests."""

import numpy as np

from cache.row import DecodedRows, RowKind, decode_rows, encode_empty, encode_rows
from runtime.ids import ItemId, ModelVersion, UserId

LIVE = ModelVersion("main", "20261121-093000-1a2b3c")
STAGED = ModelVersion("main", "20261121-103000-4d5e6f")
OTHER = ModelVersion("other", "1")
WIDTH = 4
ALICE, BOB = UserId("alice"), UserId("bob")
MINUTE_MS = 60_000


def row(kind: RowKind, rev: int, value: float = 1.0, release: ModelVersion = LIVE, as_of_ms: int = 0) -> bytes:
    """A row of WIDTH equal values."""
    return encode_rows(kind, release, np.full((1, WIDTH), value, np.float32), rev=[rev], as_of_ms=[as_of_ms])[0]


def user_row(rev: int, value: float = 1.0, release: ModelVersion = LIVE) -> bytes:
    return row(RowKind.USER, rev, value, release)


def item_row(rev: int, value: float = 1.0, release: ModelVersion = LIVE) -> bytes:
    return row(RowKind.ITEM, rev, value, release)


def no_item_row(rev: int, release: ModelVersion = LIVE) -> bytes:
    return encode_empty(RowKind.ITEM, release, rev=rev, as_of_ms=0)


def pair_row(rev: int, value: float = 1.0, release: ModelVersion = LIVE, as_of_ms: int = 0) -> bytes:
    return row(RowKind.PAIR, rev, value, release, as_of_ms)


def read(found: bytes | None, kind: RowKind, release: ModelVersion = LIVE, now_ms: int = 0) -> DecodedRows:
    """One row decoded; by default as if no time had passed."""
    return decode_rows([found], kind, release, WIDTH, now_ms)


def value_of(found: bytes | None, kind: RowKind, release: ModelVersion = LIVE) -> float | None:
    """The value that all values of a row have; None for no row."""
    if found is None:
        return None
    decoded = read(found, kind, release)
    assert decoded.present[0]
    return float(decoded.values[0, 0])


def items(*names: str) -> list[ItemId]:
    return [ItemId(name) for name in names]
