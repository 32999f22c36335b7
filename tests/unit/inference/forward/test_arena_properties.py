"""Any batch that fits arrives, and what fills up keeps every promise of `RankInputs`."""

import pytest

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.forward.arena import Arena
from inference.forward.buckets import Bucket
from inference.forward.inputs import PackedInputs
from tests.unit.inference.forward.arrivals import DEVICE, arrived, assert_begins_with
from tests.unit.inference.forward.batches import WIDTHS, batch


@settings(deadline=None, max_examples=50)
@given(counts=st.lists(st.integers(0, 40), min_size=1, max_size=4))
def test_a_batch_arrives_and_the_padded_one_is_a_batch(counts: list[int]) -> None:
    arena, inputs = Arena(Bucket(160, 4), WIDTHS, DEVICE), batch(counts)
    arrived(arena, PackedInputs.of(batch([40] * 4, seed=1)))  # what was there before
    found = arrived(arena, PackedInputs.of(inputs))
    found.check()
    assert_begins_with(found, inputs)
