"""The aggregate is the mean of what is sound among a user's pairs."""

import numpy as np

from cache.aggregate import aggregate_row
from cache.row import RowKind, decode_rows, encode_empty, encode_rows, stamped
from runtime.ids import ModelVersion

RELEASE = ModelVersion("main", "v1")


def pair(value: float, width: int = 3, rev: int = 1) -> bytes:
    filled = np.full((1, width), value, np.float32)
    return stamped(encode_rows(RowKind.PAIR, RELEASE, filled, rev=[rev], as_of_ms=[5])[0], 100, 200)


def test_nothing_sound_gives_no_aggregate() -> None:
    empty = stamped(encode_empty(RowKind.PAIR, RELEASE, rev=1, as_of_ms=1), 100, 200)
    broken = bytearray(pair(1.0))
    broken[70] ^= 1
    assert aggregate_row(RELEASE, []) is None
    assert aggregate_row(RELEASE, [empty, bytes(broken), b"short", b""]) is None
    assert aggregate_row(ModelVersion("main", "v2"), [pair(1.0)]) is None


def test_damaged_and_foreign_members_do_not_count() -> None:
    absurd = bytearray(pair(9.0))
    absurd[8:12] = b"\xff\xff\xff\x7f"  # a width of two thousand million
    empty = stamped(encode_empty(RowKind.PAIR, RELEASE, rev=7, as_of_ms=1), 1, 900)
    found = aggregate_row(RELEASE, [bytes(absurd), pair(1.0), empty, pair(2.0, rev=3), pair(8.0, width=5)])
    decoded = decode_rows([found], RowKind.AGGREGATE, RELEASE, 3, now_ms=0)
    assert decoded.values.tolist() == [[1.5, 1.5, 1.5]]
    assert (decoded.rev[0], decoded.as_of_ms[0], decoded.computed_ms[0], decoded.expires_ms[0]) == (3, 5, 100, 200)
