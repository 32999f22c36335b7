import pytest
import torch

from inference.history import ValueScale, decode_event, encode_event, history_batch
from inference.models.catalogue import build_catalogue
from inference.models.features import fit_spec
from streams.wire.events import Activity
from tests.unit.inference.releases import ITEMS, history

SPEC = fit_spec(list(ITEMS.values()), 64)


def test_a_payload_keeps_item_kind_value_and_time() -> None:
    event = Activity(event_id="e", event_time_ms=5, user_id="u", item_id="i", kind="rating", value=7.5)
    past = decode_event(encode_event(event))
    assert (past.item_id, past.kind, past.value, past.event_time_ms) == ("i", "rating", 7.5, 5)


def test_a_payload_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="list of 4"):
        decode_event(b"[1,2]")


def test_the_newest_event_comes_first_and_times_count_back_from_it() -> None:
    batch = history_batch([history(3), history(0)], build_catalogue(ITEMS, SPEC), ValueScale(), 32)
    assert batch.ages_s[0, :3].tolist() == [0.0, 100.0, 200.0]
    assert batch.mask.sum(1).tolist() == [3, 0]


def test_only_the_newest_events_are_read() -> None:
    batch = history_batch([history(50)], build_catalogue(ITEMS, SPEC), ValueScale(), 8)
    assert batch.items.shape == (1, 8)
    assert bool(batch.mask.all())
    assert float(batch.ages_s.max()) == 700.0


def test_an_unknown_item_and_an_unknown_kind_have_index_zero() -> None:
    catalogue = build_catalogue(ITEMS, SPEC)
    assert catalogue.index_of(["item-3", "nobody"]).tolist()[1] == 0
    event = Activity(event_id="e", event_time_ms=5, user_id="u", item_id="nobody", kind="share")
    past = type(history(0))(history(0).user, 1, (encode_event(event),), 5)
    batch = history_batch([past], catalogue, ValueScale(), 8)
    assert (int(batch.items[0, 0]), int(batch.kinds[0, 0])) == (0, 0)


def test_every_known_item_has_its_own_index_and_its_features_stand_there() -> None:
    catalogue = build_catalogue(ITEMS, SPEC)
    index = catalogue.index_of(list(ITEMS))
    assert sorted(index) == list(range(1, len(ITEMS) + 1))
    bag = catalogue.tokens[catalogue.offsets[index[0]] : catalogue.offsets[index[0] + 1]]
    assert len(bag) == 3
    assert torch.equal(catalogue.offsets[:2], torch.tensor([0, 0]))
