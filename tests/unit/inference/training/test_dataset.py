import dataclasses

import numpy as np
import pytest

from inference.synthetic.config import WorldConfig
from inference.synthetic.rows import log_to_dataset
from inference.synthetic.world import World
from inference.training.dataset import Dataset, history_ranges

SMALL = WorldConfig(num_items=60, num_users=30, requests_per_user=8, num_categories=6)


@pytest.fixture(scope="module")
def data() -> Dataset:
    return log_to_dataset(World(0, SMALL).past(1_790_000_000_000), 4)


def test_a_history_is_strictly_before_its_request_and_the_users_own(data: Dataset) -> None:
    begin, end = history_ranges(data, 5)
    for request in range(data.num_requests):
        user, time_ms = data.request_user[request], data.request_time_ms[request]
        own = np.flatnonzero((data.event_user == user) & (data.event_time_ms < time_ms))
        assert list(range(begin[request], end[request])) == list(own[-5:])


def test_an_earlier_cut_gives_the_history_of_then(data: Dataset) -> None:
    _, now = history_ranges(data, 50)
    _, then = history_ranges(data, 50, data.request_time_ms - 86_400_000)
    assert (then <= now).all()
    assert (then < now).any()


def test_histories_are_the_same_beside_a_time_far_off_and_with_many_users(data: Dataset) -> None:
    begin, end = history_ranges(data, 5)
    last_user = np.full(1, 10**6)
    far = dataclasses.replace(
        data,
        event_user=np.concatenate([data.event_user * 1000, last_user]),
        event_time_ms=np.concatenate([data.event_time_ms, [1 << 52]]),
        request_user=data.request_user * 1000,
    )
    np.testing.assert_array_equal(history_ranges(far, 5), (begin, end))


def test_keep_drops_candidates_and_empty_requests(data: Dataset) -> None:
    part = data.keep(data.uniform)
    part.check()
    assert len(part.cand_item) == data.uniform.sum()
    np.testing.assert_array_equal(part.oracle, data.oracle[data.uniform])
    np.testing.assert_array_equal(
        part.request_time_ms[part.cand_request], data.request_time_ms[data.cand_request[data.uniform]]
    )


def test_a_broken_promise_is_named(data: Dataset) -> None:
    with pytest.raises(ValueError, match="requests are not in time order"):
        dataclasses.replace(data, request_time_ms=data.request_time_ms[::-1]).check()
    with pytest.raises(ValueError, match="clicked has 1 entries"):
        dataclasses.replace(data, clicked=data.clicked[:1]).check()
