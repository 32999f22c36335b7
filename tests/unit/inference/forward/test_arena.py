"""What is filled in arrives, and what fills up keeps every promise of `RankInputs`."""

from dataclasses import replace

import numpy as np
import pytest

from cache.packed import PackedRows
from cache.row import RowDtype, RowKind, decode_rows, encode_rows
from inference.forward.arena import ALIGNMENT, Arena
from inference.forward.buckets import Bucket
from inference.forward.inputs import PackedInputs
from runtime.ids import ModelVersion
from tests.unit.inference.forward.arrivals import DEVICE, arrived, assert_begins_with
from tests.unit.inference.forward.batches import WIDTHS, batch


def test_rows_that_are_shared_or_not_there_arrive_where_they_belong() -> None:
    """An aggregate stands for many candidates: it is sent once."""
    inputs = PackedInputs.of(batch([5]))
    aggregate = PackedRows.of_values(np.full((1, WIDTHS.pair_width), 3.0, np.float32))
    some, others = np.array([True, False, False, True, False]), np.array([False, True, True, False, False])
    packed = replace(inputs, pairs=inputs.pairs.only_where(some).or_else(aggregate, others))
    found = arrived(Arena(Bucket(8, 1), WIDTHS, DEVICE), packed)
    assert_begins_with(found, packed.decoded())
    assert set(found.pair[1:3].flatten().tolist()) == {3.0}
    assert not found.pair[4:].any()


@pytest.mark.parametrize("dtype", RowDtype)
def test_rows_of_any_dtype_arrive_as_half_floats(dtype: RowDtype) -> None:
    values, numbers = batch([6]).cand.numpy(), [1] * 6
    release = ModelVersion("main", "v1")
    rows = encode_rows(RowKind.ITEM, release, values, rev=numbers, as_of_ms=numbers, dtype=dtype)
    items = decode_rows(rows, RowKind.ITEM, release, WIDTHS.item_width, now_ms=0).packed
    found = arrived(Arena(Bucket(8, 1), WIDTHS, DEVICE), replace(PackedInputs.of(batch([6])), items=items))
    np.testing.assert_array_equal(found.cand[:6].numpy(), items.values().astype(np.float16))


def test_every_field_begins_where_wide_loads_may() -> None:
    views = Arena(Bucket(129, 3), WIDTHS, DEVICE).device_views
    addresses = [view.data_ptr() for view in views.values()]
    assert all((address - addresses[0]) % ALIGNMENT == 0 for address in addresses)


def test_a_batch_that_is_too_large_is_refused() -> None:
    with pytest.raises(ValueError, match="5 candidates of 1 requests do not fit"):
        Arena(Bucket(4, 1), WIDTHS, DEVICE).fill(PackedInputs.of(batch([5])))


@pytest.mark.parametrize("dtype", RowDtype)
def test_what_is_decoded_here_is_what_the_store_would_decode(dtype: RowDtype) -> None:
    values, numbers = batch([6]).cand.numpy(), [1] * 6
    release = ModelVersion("main", "v1")
    rows = encode_rows(RowKind.ITEM, release, values, rev=numbers, as_of_ms=numbers, dtype=dtype)
    items = decode_rows(rows, RowKind.ITEM, release, WIDTHS.item_width, now_ms=0).packed
    for some in (items, items.only_where(np.array([True, False, True, True, False, True]))):
        found = replace(PackedInputs.of(batch([6])), items=some).decoded()
        np.testing.assert_array_equal(found.cand.numpy(), some.values())
