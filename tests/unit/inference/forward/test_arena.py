"""What is filled in arrives, and what fills up keeps every promise of `RankInputs`."""

from dataclasses import fields

import pytest
import torch

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.forward.arena import ALIGNMENT, Arena
from inference.forward.buckets import Bucket
from inference.protocol import RankInputs
from tests.unit.inference.forward.batches import WIDTHS, batch

CPU = torch.device("cpu")


@settings(deadline=None, max_examples=50)
@given(counts=st.lists(st.integers(0, 40), min_size=1, max_size=4))
def test_a_batch_arrives_and_the_padded_one_is_a_batch(counts: list[int]) -> None:
    arena, inputs = Arena(Bucket(160, 4), WIDTHS, CPU), batch(counts)
    arena.fill(batch([40] * 4, seed=1))  # what was there before
    arena.fill(inputs)
    arena.upload()
    arena.inputs.check()
    n, b = inputs.num_candidates, inputs.num_requests
    for field in fields(RankInputs):
        arrived, sent = getattr(arena.inputs, field.name), getattr(inputs, field.name)
        size = {"user": b, "user_mask": b, "context": b, "user_offsets": b}.get(field.name, n)
        torch.testing.assert_close(arrived[:size], sent[:size], rtol=0, atol=0)


def test_every_field_begins_where_wide_loads_may() -> None:
    arena = Arena(Bucket(129, 3), WIDTHS, CPU)
    addresses = [getattr(arena.inputs, field.name).data_ptr() for field in fields(RankInputs)]
    assert all((address - addresses[0]) % ALIGNMENT == 0 for address in addresses)


def test_a_batch_that_is_too_large_is_refused() -> None:
    with pytest.raises(ValueError, match="5 candidates of 1 requests do not fit"):
        Arena(Bucket(4, 1), WIDTHS, CPU).fill(batch([5]))
