"""What is filled in arrives, and what fills up keeps every promise of `RankInputs`."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st

from cache.packed import PackedRows
from cache.row import RowDtype, RowKind, decode_rows, encode_rows
from inference.forward.arena import ALIGNMENT, Arena
from inference.forward.buckets import Bucket
from inference.forward.inputs import PackedInputs
from inference.protocol import RankInputs
from runtime.ids import ModelVersion
from tests.unit.inference.forward.batches import WIDTHS, batch

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def arrived(arena: Arena, inputs: PackedInputs) -> RankInputs:
    """All of the bucket, back on the CPU."""
    arena.fill(inputs)
    arena.upload()
    found = arena.rank_inputs(torch.float32)
    return RankInputs(*(getattr(found, field.name).cpu() for field in fields(RankInputs)))


def assert_begins_with(found: RankInputs, sent: RankInputs) -> None:
    n, b = sent.num_candidates, sent.num_requests
    for field in fields(RankInputs):
        size = {"user": b, "user_mask": b, "context": b, "user_offsets": b}.get(field.name, n)
        left, right = getattr(found, field.name)[:size], getattr(sent, field.name)[:size]
        torch.testing.assert_close(left, right, rtol=0, atol=0)


@settings(deadline=None, max_examples=50)
@given(counts=st.lists(st.integers(0, 40), min_size=1, max_size=4))
def test_a_batch_arrives_and_the_padded_one_is_a_batch(counts: list[int]) -> None:
    arena, inputs = Arena(Bucket(160, 4), WIDTHS, DEVICE), batch(counts)
    arrived(arena, PackedInputs.of(batch([40] * 4, seed=1)))  # what was there before
    found = arrived(arena, PackedInputs.of(inputs))
    found.check()
    assert_begins_with(found, inputs)


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
