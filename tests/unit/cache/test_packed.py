"""Rows that are kept as they were stored until somebody asks for their values."""

import numpy as np
import pytest
from numpy.typing import NDArray

from cache.packed import PackedRows
from cache.row import RowDtype, RowKind, decode_rows, encode_rows
from runtime.ids import ModelVersion

RELEASE = ModelVersion("main", "v1")
WIDTH = 6
VALUES = np.arange(24, dtype=np.float32).reshape(4, WIDTH)


def packed(values: NDArray[np.float32], dtype: RowDtype = RowDtype.FP16) -> PackedRows:
    numbers = [1] * len(values)
    rows = encode_rows(RowKind.PAIR, RELEASE, values, rev=numbers, as_of_ms=numbers, dtype=dtype)
    return decode_rows(rows, RowKind.PAIR, RELEASE, WIDTH, now_ms=0).packed


def test_values_come_back_all_or_some() -> None:
    rows = packed(VALUES)
    np.testing.assert_array_equal(rows.values(), VALUES)
    np.testing.assert_array_equal(rows.take(np.array([3, 0, 3])).values(), VALUES[[3, 0, 3]])
    assert len(rows.take(np.array([3, 0, 3])).staging) == 2, "no other rows"


def test_what_is_not_kept_is_zeros_and_leaves_the_others_in_their_place() -> None:
    rows = packed(VALUES).only_where(np.array([True, False, True, False]))
    np.testing.assert_array_equal(rows.values(), VALUES * np.array([[1], [0], [1], [0]]))
    np.testing.assert_array_equal(rows.take(np.array([1, 2])).values(), VALUES[[1, 2]] * np.array([[0], [1]]))


@pytest.mark.parametrize("dtype", RowDtype)
def test_what_is_missing_is_filled_by_the_row_of_another_whatever_its_dtype(dtype: RowDtype) -> None:
    missing = np.array([False, True, False, True])
    other = packed(np.full((1, WIDTH), 7.0, np.float32), dtype)
    filled = packed(VALUES).only_where(~missing).or_else(other, missing)
    np.testing.assert_allclose(filled.values()[missing], 7.0, rtol=1e-3)
    np.testing.assert_array_equal(filled.values()[~missing], VALUES[~missing])


@pytest.mark.parametrize("dtype", RowDtype)
def test_as_half_floats_they_are_rounded_values_of_the_same_rows(dtype: RowDtype) -> None:
    rows = packed(VALUES, dtype).only_where(np.array([True, True, False, True]))
    halves = rows.as_fp16()
    assert halves.dtype is RowDtype.FP16
    assert (halves.slot >= 0).tolist() == [True, True, False, True]
    np.testing.assert_array_equal(halves.values(), rows.values().astype(np.float16))


def test_none_has_no_values() -> None:
    assert PackedRows.none(0, WIDTH).values().shape == (0, WIDTH)
    assert not PackedRows.none(3, WIDTH).values().any()
