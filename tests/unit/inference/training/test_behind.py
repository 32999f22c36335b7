from dataclasses import replace

import numpy as np
import pytest

from inference.manifest import PAIR_TTL_MS
from inference.training.behind import ages_s, cut_before
from inference.training.dataset import Dataset, history_ranges
from tests.unit.inference.training.test_tiers import DATA

MINUTE_MS = 60_000


@pytest.fixture(scope="module")
def data() -> Dataset:
    """Every request has three events, a minute, two minutes and longer than a row lives before it."""
    before = np.array([PAIR_TTL_MS, 2 * MINUTE_MS, MINUTE_MS])
    r = len(before) * DATA.num_requests
    return replace(
        DATA.select(np.arange(DATA.num_requests)),
        event_user=np.repeat(np.arange(DATA.num_requests), len(before)),
        event_time_ms=(DATA.request_time_ms[:, None] - before).ravel(),
        event_item=np.zeros(r, dtype=np.int64),
        event_kind=np.ones(r, dtype=np.int64),
        event_value=np.zeros(r, dtype=np.float32),
        request_user=np.arange(DATA.num_requests),
    )


@pytest.mark.parametrize(("lacking", "lacks", "age"), [(0, 0, 0), (1, 1, 60), (2, 2, 120), (3, 2, 120)])
def test_a_history_lacks_the_newest_events_but_none_that_a_living_row_must_have(
    data: Dataset, lacking: int, lacks: int, age: float
) -> None:
    cut_ms = cut_before(data, np.full(data.num_requests, lacking))
    begin, end = history_ranges(data, 100, cut_ms)
    assert set(end - begin) == {3 - lacks}
    assert set(ages_s(data, cut_ms)) == {age}


def test_an_earlier_cut_that_costs_no_event_makes_no_age(data: Dataset) -> None:
    assert set(ages_s(data, data.request_time_ms - MINUTE_MS // 2)) == {0}
    assert set(ages_s(data, data.request_time_ms - 3 * MINUTE_MS // 2)) == {90}


def test_users_without_any_event_lack_none() -> None:
    nothing = {name: getattr(DATA, name)[:0] for name in ("event_user", "event_item", "event_kind", "event_value")}
    empty = replace(DATA, event_time_ms=DATA.event_time_ms[:0], **nothing)
    cut_ms = cut_before(empty, np.full(empty.num_requests, 3))
    np.testing.assert_array_equal(cut_ms, empty.request_time_ms)
    assert not ages_s(empty, cut_ms).any()
