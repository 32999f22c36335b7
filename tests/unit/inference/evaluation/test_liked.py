import numpy as np
import pytest

from inference.evaluation.liked import ENRICHED, FOUNDATION, PLAIN, judge_liked, liked_labels
from inference.evaluation.ratio import UNDEFINED
from inference.synthetic.config import WorldConfig
from inference.synthetic.rows import log_to_dataset
from inference.synthetic.world import World
from inference.training.dataset import Dataset
from inference.training.next_item import next_item_dataset
from runtime.ids import ItemId, UserId
from streams.wire.movietweetings import Rating


@pytest.fixture(scope="module")
def ratings() -> list[Rating]:
    rng = np.random.default_rng(0)
    return [
        Rating(UserId(f"u{rng.integers(150)}"), ItemId(f"m{at}"), float(rng.integers(1, 11)), 1000 * at)
        for at in range(2_000)
    ]


@pytest.fixture(scope="module")
def data(ratings: list[Rating]) -> Dataset:
    return next_item_dataset(ratings, {}, 4, train_share=0.5)


def test_liked_is_above_the_mean_of_the_users_earlier_ratings(ratings: list[Rating], data: Dataset) -> None:
    labels = liked_labels(data)
    by_time = {rating.time_ms: rating for rating in ratings}
    for row, label in enumerate(labels):
        rating = by_time[int(data.request_time_ms[data.cand_request[row]])]
        before = [r.value for r in ratings if r.user_id == rating.user_id and r.time_ms < rating.time_ms]
        if not data.clicked[row] or not before:
            assert np.isnan(label)
        elif abs(rating.value - np.mean(before)) > 1e-9:
            assert label == (rating.value > np.mean(before))


def test_a_next_item_model_that_knows_nothing_of_liking_has_no_transfer_ratio(data: Dataset) -> None:
    rng = np.random.default_rng(0)
    names = (PLAIN, ENRICHED, FOUNDATION)
    report = judge_liked(data, {name: rng.uniform(0.1, 0.9, len(data.clicked)) for name in names})
    assert report is not None
    assert report["transfer_ratio"] == UNDEFINED


def test_where_the_foundation_model_knows_what_is_liked_the_ratio_is_its_share(data: Dataset) -> None:
    rng = np.random.default_rng(0)
    liked, noise = np.nan_to_num(liked_labels(data)), rng.uniform(0.0, 0.2, len(data.clicked))
    halfway = np.where(rng.random(len(liked)) < 0.5, liked, rng.random(len(liked)) < 0.5)
    predictions = {PLAIN: 0.4 + noise, ENRICHED: 0.3 + 0.3 * halfway + noise, FOUNDATION: 0.3 + 0.3 * liked + noise}
    report = judge_liked(data, predictions)
    assert report is not None
    assert report["quality"][FOUNDATION]["auc"] > 0.99
    assert 0 < report["transfer_ratio"]["low"] < report["transfer_ratio"]["high"] < 1


def test_clicks_that_are_no_ratings_have_no_such_report() -> None:
    world = World(0, WorldConfig(num_items=60, num_users=30, requests_per_user=8, num_categories=6))
    data = log_to_dataset(world.past(1_790_000_000_000), 4)
    assert judge_liked(data, {}) is None
