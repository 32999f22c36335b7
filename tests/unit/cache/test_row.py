"""The row codec: what goes in comes out, and damage is noticed."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cache.checksum import checksum
from cache.header import HEADER, LEFT_OUT
from cache.quantise import FP8_MAX, FP16_MAX, dequantise, quantise
from cache.row import (
    HEADER_BYTES,
    RowDtype,
    RowKind,
    decode_rows,
    encode_empty,
    encode_rows,
    rev_of,
    stamped,
    times_of,
    width_of,
)
from runtime.ids import ModelVersion

RELEASE = ModelVersion("main", "v1")
OTHER_RELEASE = ModelVersion("main", "v2")
STORE_WRITES = range(32, 48)  # computed_ms and expires_ms
TIMES = st.integers(0, (1 << 53) - 1)
VALUES = st.floats(-60_000, 60_000, width=32)

property_test = settings(max_examples=60, deadline=None, derandomize=True)


@st.composite
def batches(draw: st.DrawFn) -> NDArray[np.float32]:
    n, width = draw(st.integers(1, 5)), draw(st.integers(1, 37))
    values = draw(st.lists(VALUES, min_size=n * width, max_size=n * width))
    return np.array(values, np.float32).reshape(n, width)


def tolerance(values: NDArray[np.float32], dtype: RowDtype) -> NDArray[np.float64]:
    """The largest error [N, W] that rounding to `dtype` may make."""
    exact = values.astype(np.float64)
    span = exact.max(axis=1, keepdims=True) - exact.min(axis=1, keepdims=True)
    largest = np.abs(exact).max(axis=1, keepdims=True)
    float32_noise = largest * 2.0**-22 + 1e-30
    steps: dict[RowDtype, NDArray[np.float64]] = {
        RowDtype.FP16: np.abs(exact) * 2.0**-11 + 2.0**-25,  # 10 bits of mantissa; subnormals below 2^-14
        RowDtype.INT8: span / 255 / 2 * np.ones_like(exact),  # half a step
        RowDtype.INT4: span / 15 / 2 * np.ones_like(exact),
        RowDtype.FP8: np.abs(exact) * 2.0**-4 + largest / FP8_MAX * 2.0**-10,  # 3 bits; subnormals below 2^-6
    }
    allowed: NDArray[np.float64] = steps[dtype] * (1 + 1e-6) + float32_noise
    return allowed


@property_test
@given(values=batches(), dtype=st.sampled_from(RowDtype), data=st.data())
def test_values_survive_within_the_tolerance_of_their_dtype(
    values: NDArray[np.float32], dtype: RowDtype, data: st.DataObject
) -> None:
    n, width = values.shape
    rev, as_of_ms = ([data.draw(TIMES) for _ in range(n)] for _ in range(2))
    rows = encode_rows(RowKind.PAIR, RELEASE, values, rev=rev, as_of_ms=as_of_ms, dtype=dtype)
    decoded = decode_rows(rows, RowKind.PAIR, RELEASE, width, now_ms=5)
    assert decoded.present.all()
    assert (np.abs(decoded.values.astype(np.float64) - values) <= tolerance(values, dtype)).all()
    assert decoded.rev.tolist() == rev == [rev_of(row) for row in rows]
    assert decoded.as_of_ms.tolist() == as_of_ms
    assert {len(row) % 16 for row in rows} == {0}
    assert {width_of(row) for row in rows} == {width}


@pytest.mark.parametrize("dtype", RowDtype)
def test_change_of_any_single_byte_is_noticed(dtype: RowDtype) -> None:
    values = np.linspace(-3, 7, 23, dtype=np.float32)[None]
    [row] = encode_rows(RowKind.ITEM, RELEASE, values, rev=[77], as_of_ms=[1_700_000_000_000], dtype=dtype)
    row = stamped(row, 1_700_000_000_123, 0)
    checked = [place for place in range(len(row)) if place not in STORE_WRITES]
    damaged = [
        row[:place] + bytes([row[place] ^ flip]) + row[place + 1 :] for place in checked for flip in range(1, 256)
    ]
    decoded = decode_rows(damaged, RowKind.ITEM, RELEASE, 23, now_ms=0)
    assert decoded.corrupt.all()
    assert not decoded.present.any()
    assert not decoded.values.any()


def test_times_written_by_the_store_leave_the_row_sound() -> None:
    [row] = encode_rows(RowKind.ITEM, RELEASE, np.ones((1, 3), np.float32), rev=[1], as_of_ms=[2])
    row = stamped(row, 1000, 2000)
    assert times_of(row) == (1000, 2000)
    before, after = (decode_rows([row], RowKind.ITEM, RELEASE, 3, now_ms) for now_ms in (1999, 2000))
    assert before.present[0]
    assert (before.computed_ms[0], before.expires_ms[0]) == (1000, 2000)
    assert after.expired[0]
    assert not after.present[0]
    assert not after.values.any()
    assert decode_rows([stamped(row, 1000, 0)], RowKind.ITEM, RELEASE, 3, now_ms=1 << 52).present[0]


@pytest.mark.parametrize(("field", "value"), [("scale", np.inf), ("offset", np.nan), ("dtype", 9), ("rev", 1 << 60)])
def test_row_that_is_sealed_but_absurd_is_corrupt(field: str, value: float) -> None:
    [row] = encode_rows(RowKind.ITEM, RELEASE, np.ones((1, 8), np.float32), rev=[1], as_of_ms=[2])
    data = np.frombuffer(bytearray(row), np.uint8)
    data[:HEADER_BYTES].view(HEADER)[field] = value
    data.view("<u8")[7] = checksum(data.view("<u8")[None], LEFT_OUT)[0]
    decoded = decode_rows([data.tobytes()], RowKind.ITEM, RELEASE, 8, now_ms=0)
    assert decoded.corrupt[0]
    assert not decoded.values.any()


def test_absurd_times_are_corrupt() -> None:
    [row] = encode_rows(RowKind.ITEM, RELEASE, np.ones((1, 3), np.float32), rev=[1], as_of_ms=[2])
    assert decode_rows([stamped(row, 1 << 63, 0)], RowKind.ITEM, RELEASE, 3, now_ms=0).corrupt[0]


@property_test
@given(
    rows=st.lists(st.none() | st.binary(max_size=200) | st.binary(min_size=64, max_size=64)), width=st.integers(1, 40)
)
def test_garbage_is_corrupt_and_never_raises(rows: list[bytes | None], width: int) -> None:
    decoded = decode_rows(rows, RowKind.USER, RELEASE, width, now_ms=10)
    assert decoded.values.shape == (len(rows), width)
    assert decoded.corrupt.tolist() == [row is not None for row in rows]
    assert not (decoded.present | decoded.empty | decoded.expired).any()
    for row in rows:
        rev_of(row)


def test_rows_of_different_dtypes_and_states_decode_each_in_its_place() -> None:
    values = np.arange(20, dtype=np.float32)[None]
    rows: list[bytes | None] = []
    for dtype in RowDtype:
        rows += encode_rows(RowKind.ITEM, RELEASE, values, rev=[dtype], as_of_ms=[0], dtype=dtype)
        rows.append(None)
    rows.append(encode_empty(RowKind.ITEM, RELEASE, rev=9, as_of_ms=8))
    rows.append(b"short")
    decoded = decode_rows(rows, RowKind.ITEM, RELEASE, 20, now_ms=0)
    assert decoded.present.tolist() == [True, False] * 4 + [False, False]
    assert decoded.empty.tolist() == [False] * 8 + [True, False]
    assert decoded.corrupt.tolist() == [False] * 9 + [True]
    assert decoded.rev.tolist() == [0, 0, 1, 0, 2, 0, 3, 0, 9, 0]
    assert np.abs(decoded.values[0:8:2] - values).max() < 0.7


@pytest.mark.parametrize(
    ("kind", "release", "width"),
    [
        (RowKind.USER, RELEASE, 8),
        (RowKind.ITEM, OTHER_RELEASE, 8),
        (RowKind.ITEM, RELEASE, 7),
        (RowKind.ITEM, RELEASE, 9),
    ],
    ids=["kind", "release", "narrower", "wider"],
)
def test_row_of_another_kind_release_or_width_is_corrupt(kind: RowKind, release: ModelVersion, width: int) -> None:
    rows = encode_rows(RowKind.ITEM, RELEASE, np.ones((2, 8), np.float32), rev=[1, 1], as_of_ms=[0, 0])
    assert decode_rows(rows, kind, release, width, now_ms=0).corrupt.all()


def test_empty_row_of_another_release_is_corrupt_and_an_old_one_expires() -> None:
    row = encode_empty(RowKind.USER, RELEASE, rev=0, as_of_ms=0)
    assert len(row) == HEADER_BYTES
    assert decode_rows([row], RowKind.USER, OTHER_RELEASE, 8, now_ms=0).corrupt[0]
    old = decode_rows([stamped(row, 1, 60)], RowKind.USER, RELEASE, 8, now_ms=60)
    assert old.expired[0]
    assert not old.empty[0]


def test_rows_of_equal_length_in_different_states_decode_each_in_its_place() -> None:
    values = np.arange(16, dtype=np.float32)[None] * 2.0**-7
    [fp8] = encode_rows(RowKind.ITEM, RELEASE, values, rev=[1], as_of_ms=[0], dtype=RowDtype.FP8)
    [int8] = encode_rows(RowKind.ITEM, RELEASE, values, rev=[2], as_of_ms=[0], dtype=RowDtype.INT8)
    rows = [fp8, int8, stamped(fp8, 1, 5), int8[:-1] + b"\x00"]
    decoded = decode_rows(rows, RowKind.ITEM, RELEASE, 16, now_ms=5)
    assert decoded.present.tolist() == [True, True, False, False]
    assert decoded.expired.tolist() == [False, False, True, False]
    assert decoded.corrupt.tolist() == [False, False, False, True]
    assert decoded.rev.tolist() == [1, 2, 1, 0]
    assert np.abs(decoded.values[:2] - values).max() < 0.01
    assert not decoded.values[2:].any()
    assert not decoded.empty.any()


def test_no_rows_decode_to_no_rows() -> None:
    assert decode_rows([], RowKind.USER, RELEASE, 8, now_ms=0).values.shape == (0, 8)
    assert encode_rows(RowKind.USER, RELEASE, np.zeros((0, 8), np.float32), rev=[], as_of_ms=[]) == []


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        encode_rows(RowKind.USER, RELEASE, np.array([[1.0, bad]], np.float32), rev=[1], as_of_ms=[1])


@pytest.mark.parametrize("rev", [-1, 1 << 53])
def test_revs_that_lua_could_not_hold_are_refused(rev: int) -> None:
    with pytest.raises(ValueError, match="2\\^53"):
        encode_empty(RowKind.USER, RELEASE, rev=rev, as_of_ms=0)


def test_too_large_values_saturate_at_the_largest_half() -> None:
    rows = encode_rows(RowKind.USER, RELEASE, np.array([[1e9, -1e9]], np.float32), rev=[1], as_of_ms=[1])
    decoded = decode_rows(rows, RowKind.USER, RELEASE, 2, now_ms=0)
    assert decoded.values.tolist() == [[FP16_MAX, -FP16_MAX]]


def test_damaged_rev_is_told_without_the_checksum() -> None:
    row = encode_empty(RowKind.USER, RELEASE, rev=123_456_789, as_of_ms=0)
    for place in [*range(16, 24), 6, 7]:
        for flip in range(1, 256):
            assert rev_of(row[:place] + bytes([row[place] ^ flip]) + row[place + 1 :]) == -1


def test_fp8_agrees_with_torch_on_every_half() -> None:
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)
    halves = halves[np.isfinite(halves) & (np.abs(halves) <= FP8_MAX)]
    values = np.append(halves, np.float32(FP8_MAX))[None]  # the largest magnitude makes the scale 1
    data, scale, offset = quantise(values, RowDtype.FP8)
    assert scale[0] == 1.0
    expected = torch.from_numpy(values[0]).to(torch.float8_e4m3fn)
    assert (data[0] == expected.view(torch.uint8).numpy()).all()
    ours = dequantise(data, RowDtype.FP8, values.shape[1], scale, offset)
    assert (ours[0] == expected.to(torch.float32).numpy()).all()
