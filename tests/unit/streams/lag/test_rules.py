"""Each rule by a table, and what must hold of any window."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.lag.rules import SEVERITY, Reading, Verdict, judge, judge_group, worst

WINDOW_S = 10.0


def window(*readings: tuple[int | None, int], num_members: int = 1, seconds: float = 2.0) -> list[Reading]:
    """Readings of (committed, lag), `seconds` apart."""
    return [Reading(index * seconds, committed, lag, num_members) for index, (committed, lag) in enumerate(readings)]


@pytest.mark.parametrize(
    ("readings", "verdict"),
    [
        pytest.param([], Verdict.OK, id="nothing read yet"),
        pytest.param(window((5, 0)), Verdict.OK, id="no lag"),
        pytest.param(window((None, 0), num_members=0), Verdict.OK, id="nothing waits and nobody reads"),
        pytest.param(window(*[(5, 7)] * 5, (5, 0)), Verdict.OK, id="caught up just now"),
        pytest.param(window((5, 0), *[(5, 7)] * 5), Verdict.OK, id="no lag at the window's start"),
        pytest.param(window(*[(5, 7)] * 3), Verdict.OK, id="still, window not whole"),
        pytest.param(window(*[(5, 7)] * 6), Verdict.STALLED, id="still over a whole window"),
        pytest.param(window(*[(None, 7)] * 6), Verdict.STALLED, id="member that never commits"),
        pytest.param(
            window(*[(5, n) for n in range(9, 3, -1)]), Verdict.STALLED, id="still while retention eats the lag"
        ),
        pytest.param(window((5, 7), num_members=0), Verdict.STOPPED, id="nobody reads, one reading"),
        pytest.param(window(*[(5, 7)] * 6, num_members=0), Verdict.STOPPED, id="nobody reads, whole window"),
        pytest.param(window(*[(None, 7)] * 2, num_members=0), Verdict.STOPPED, id="never ran"),
        pytest.param(
            [*window(*[(5, 7)] * 5), Reading(10.0, 5, 7, 0)], Verdict.STOPPED, id="evicted at the end of a whole window"
        ),
        pytest.param([*window(*[(5, 7)] * 2), Reading(4.0, 5, 7, 0)], Verdict.OK, id="left a moment ago"),
        pytest.param(window(*[(n, 9) for n in range(6)]), Verdict.OK, id="moving, lag even"),
        pytest.param(window(*[(n, 9 + n) for n in range(6)]), Verdict.SLOW, id="moving, lag growing"),
        pytest.param(window(*[(n, 9 + n) for n in range(3)]), Verdict.OK, id="growing, window not whole"),
        pytest.param(window((1, 9), (2, 12), (3, 11), (4, 13), (5, 14), (6, 15)), Verdict.OK, id="shrank once"),
        pytest.param(window((9, 9), (9, 10), (3, 16), (4, 16), (5, 17), (6, 18)), Verdict.SLOW, id="rewound"),
        pytest.param(
            window(*[(n, 9 + n) for n in range(6)], num_members=0), Verdict.SLOW, id="assigned without a group"
        ),
    ],
)
def test_rule(readings: list[Reading], verdict: Verdict) -> None:
    assert judge(readings, WINDOW_S) == verdict


readings = st.lists(
    st.tuples(st.none() | st.integers(0, 5), st.integers(0, 5), st.integers(0, 2)), min_size=1, max_size=12
).map(lambda rows: [Reading(index * 2.0, *row) for index, row in enumerate(rows)])


@given(readings)
def test_a_window_with_a_lag_of_zero_is_never_a_fault(rows: list[Reading]) -> None:
    if any(row.lag == 0 for row in rows):
        assert judge(rows, WINDOW_S) == Verdict.OK


@given(readings)
def test_only_a_whole_window_accuses_a_group_that_has_members(rows: list[Reading]) -> None:
    if rows[-1].num_members and rows[-1].time_s - rows[0].time_s < WINDOW_S:
        assert judge(rows, WINDOW_S) == Verdict.OK


@given(readings)
def test_an_offset_that_moved_is_neither_stalled_nor_stopped(rows: list[Reading]) -> None:
    if len({row.committed for row in rows}) > 1:
        assert judge(rows, WINDOW_S) in (Verdict.OK, Verdict.SLOW)


@given(readings, st.integers(1, 1000))
def test_the_size_of_a_lag_changes_nothing(rows: list[Reading], factor: int) -> None:
    scaled = [Reading(row.time_s, row.committed, row.lag * factor, row.num_members) for row in rows]
    assert judge(scaled, WINDOW_S) == judge(rows, WINDOW_S)


@given(st.lists(st.sampled_from(Verdict)))
def test_a_group_is_as_bad_as_its_worst_partition(verdicts: list[Verdict]) -> None:
    assert SEVERITY[worst(verdicts)] == max((SEVERITY[verdict] for verdict in verdicts), default=0)


def test_a_group_that_nobody_joined_and_nothing_waits_for_is_absent() -> None:
    idle = window(*[(5, 0)] * 3, num_members=0)
    assert judge_group([Verdict.OK], [idle], 0) == Verdict.ABSENT
    assert judge_group([], [], 0) == Verdict.ABSENT
    assert judge_group([Verdict.OK], [window(*[(5, 0)] * 3)], 1) == Verdict.OK
    assert judge_group([Verdict.OK, Verdict.STOPPED], [idle, idle], 0) == Verdict.STOPPED


def test_a_group_is_not_absent_while_it_moves_or_just_after_its_members_left() -> None:
    idle, moving = window(*[(5, 0)] * 3, num_members=0), window((5, 0), (6, 0), (7, 0), num_members=0)
    assert judge_group([Verdict.OK] * 2, [idle, moving], 0) == Verdict.OK
    left = [*window(*[(5, 0)] * 2), Reading(4.0, 5, 0, 0)]
    assert judge_group([Verdict.OK], [left], 0) == Verdict.OK
