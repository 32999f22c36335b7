"""From offsets to ages."""

import bisect
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.lag.observed_ends import MAX_OBSERVATIONS, ObservedEnds
from streams.lag.seconds import seconds_behind
from streams.lag.snapshot import PartitionState, Place, Snapshot

PLACE = Place("t", 0)


@pytest.mark.parametrize(
    ("ends", "offset", "age_s"),
    [
        pytest.param([], 5, 0.0, id="nothing observed"),
        pytest.param([(10.0, 5)], 5, 0.0, id="not there yet"),
        pytest.param([(10.0, 5)], 4, None, id="older than the first observation"),
        pytest.param([(10.0, 5), (20.0, 6)], 5, 10.0, id="appended by the second observation"),
        pytest.param([(10.0, 0), (20.0, 10)], 0, 19.0, id="the first of ten"),
        pytest.param([(10.0, 0), (20.0, 10)], 9, 10.0, id="the last of ten"),
        pytest.param([(0.0, 0), (10.0, 0), (20.0, 10), (30.0, 10)], 4, 15.0, id="between still stretches"),
    ],
)
def test_the_age_of_a_record_is_interpolated(ends: list[tuple[float, int]], offset: int, age_s: float | None) -> None:
    assert seconds_behind(ends, offset, 30.0) == age_s


@given(
    st.lists(st.floats(0, 1000), min_size=1, max_size=50),
    st.lists(st.floats(0, 1000), min_size=2, max_size=20),
    st.integers(0, 60),
)
def test_the_age_is_wrong_by_at_most_the_gap_between_two_observations(
    appends: list[float], observed_at: list[float], offset: int
) -> None:
    appends.sort()
    observed_at.sort()
    ends = [(time_s, bisect.bisect_right(appends, time_s)) for time_s in observed_at]
    now_s = observed_at[-1]
    age_s = seconds_behind(ends, offset, now_s)
    if offset >= ends[-1][1]:
        assert age_s == 0
    elif offset < ends[0][1]:
        assert age_s is None
    else:
        gap_s = max(later - earlier for earlier, later in itertools.pairwise(observed_at))
        assert age_s == pytest.approx(now_s - appends[offset], abs=gap_s + 1e-6)


def snapshot(time_s: float, end: int) -> Snapshot:
    return Snapshot(time_s, {}, {PLACE: PartitionState(0, end)}, {})


def test_a_learnt_append_time_answers_for_what_was_there_before() -> None:
    ends = ObservedEnds()
    ends.add(snapshot(100.0, 50))
    assert ends.age(PLACE, 10, 100.0) is None
    ends.learn(PLACE, 10, 40.0)
    assert ends.age(PLACE, 10, 100.0) == 60.0
    ends.learn(PLACE, 3, 20.0)
    assert ends.age(PLACE, 3, 100.0) == 80.0
    assert ends.age(PLACE, 10, 100.0) == 60.0
    assert ends.age(PLACE, 2, 100.0) is None
    between = ends.age(PLACE, 30, 100.0)
    assert between is not None
    assert 0 < between < 60


def test_a_topic_made_anew_starts_over() -> None:
    ends = ObservedEnds()
    ends.add(snapshot(1.0, 50))
    ends.add(snapshot(2.0, 3))
    assert ends.age(PLACE, 3, 2.0) == 0
    assert ends.age(PLACE, 1, 2.0) is None


def test_memory_is_bounded_whatever_is_behind() -> None:
    ends = ObservedEnds()
    for second in range(5 * MAX_OBSERVATIONS):
        ends.add(snapshot(float(second), second))
        ends.keep({PLACE: 0})
    assert len(ends._ends[PLACE]) <= MAX_OBSERVATIONS
    age_s = ends.age(PLACE, 0, 5.0 * MAX_OBSERVATIONS)
    assert age_s == pytest.approx(5 * MAX_OBSERVATIONS, abs=1.0)
    ends.keep({})
    assert len(ends._ends[PLACE]) == 1


def test_keeping_forgets_nothing_that_is_asked_for() -> None:
    ends = ObservedEnds()
    for second in range(100):
        ends.add(snapshot(float(second), second * 10))
        ends.keep({PLACE: 505})
    assert ends.age(PLACE, 505, 100.0) == pytest.approx(100 - 50.6)
    assert len(ends._ends[PLACE]) == 50
