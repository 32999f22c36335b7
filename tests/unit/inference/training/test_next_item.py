import numpy as np
import pytest

from inference.training.next_item import TEST_NEGATIVES, TRAIN_NEGATIVES, next_item_dataset
from runtime.ids import ItemId, UserId
from streams.wire.movietweetings import Rating


def test_negatives_are_never_what_the_user_has_rated_and_later_rows_have_more() -> None:
    rng = np.random.default_rng(0)
    ratings = [
        Rating(UserId(f"u{rng.integers(20)}"), ItemId(f"m{rng.integers(80)}"), 5.0, 1000 * at) for at in range(400)
    ]
    data = next_item_dataset(ratings, {}, 4, train_share=0.8)
    data.check()
    counts = np.diff(data.offsets)
    assert set(counts) == {TRAIN_NEGATIVES + 1, TEST_NEGATIVES + 1}
    assert (np.diff(counts) >= 0).all()
    for request in range(data.num_requests):
        first, last = data.offsets[request], data.offsets[request + 1]
        assert data.clicked[first:last].tolist() == [1.0] + [0.0] * (last - first - 1)
        assert data.weight[first:last].sum() == pytest.approx(1 + TRAIN_NEGATIVES)
        before = (data.event_user == data.request_user[request]) & (data.event_time_ms <= data.request_time_ms[request])
        assert not set(data.cand_item[first + 1 : last]) & set(data.event_item[before])


def test_a_handful_of_ratings_is_enough() -> None:
    ratings = [Rating(UserId("u"), ItemId(f"m{at}"), 1.0, at) for at in range(3)]
    next_item_dataset(ratings, {}, 4, train_share=0.5).check()
