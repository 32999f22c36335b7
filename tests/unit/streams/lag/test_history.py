"""Snapshots in, report out: sums, ages, verdicts, and what is forgotten."""

from collections.abc import Collection

from streams.lag.groups import AGENT_TOPICS
from streams.lag.history import LagHistory, Waiting
from streams.lag.report import GroupLag, LagReport
from streams.lag.rules import Verdict
from streams.lag.snapshot import GroupState, PartitionState, Place, Snapshot
from streams.wire.topics import Topic

A, B = Place("t", 0), Place("t", 1)


def snapshot(time_s: float, ends: dict[Place, int], committed: dict[Place, int], num_members: int = 1) -> Snapshot:
    partitions = {place: PartitionState(0, end) for place, end in ends.items()}
    return Snapshot(time_s, {1: "b:1"}, partitions, {"g": GroupState("STABLE", num_members, committed)})


def history() -> LagHistory:
    return LagHistory(window_s=10.0, history_s=100.0)


def only(report: LagReport) -> GroupLag:
    (group,) = report.groups
    return group


def test_lag_is_summed_over_partitions_also_those_never_committed() -> None:
    group = only(history().add(snapshot(0.0, {A: 100, B: 7}, {A: 40})))
    assert group.lag == 67
    assert [(p.partition, p.committed, p.lag) for p in group.partitions] == [(0, 40, 60), (1, None, 7)]


def test_what_retention_removed_is_not_waiting() -> None:
    state = Snapshot(0.0, {}, {A: PartitionState(begin=90, end=100)}, {"g": GroupState("EMPTY", 0, {A: 40})})
    assert only(history().add(state)).lag == 10


def test_a_commit_ahead_of_the_end_is_no_negative_lag() -> None:
    assert only(history().add(snapshot(0.0, {A: 5}, {A: 9}))).lag == 0


def test_waiting_time_grows_a_second_per_second_and_falls_when_it_is_read() -> None:
    lag = history()
    lag.add(snapshot(0.0, {A: 10}, {A: 10}))
    lag.add(snapshot(2.0, {A: 11}, {A: 10}))
    assert only(lag.add(snapshot(4.0, {A: 12}, {A: 10}))).seconds == 2.0
    assert only(lag.add(snapshot(9.0, {A: 20}, {A: 10}))).seconds == 7.0
    assert only(lag.add(snapshot(10.0, {A: 20}, {A: 20}))).seconds == 0.0


def test_records_older_than_the_monitor_are_looked_up_once() -> None:
    asked: list[Collection[Waiting]] = []

    def lookup(wanted: Collection[Waiting]) -> dict[Waiting, float]:
        asked.append(wanted)
        return dict.fromkeys(wanted, 60.0)

    lag = LagHistory(window_s=10.0, history_s=100.0, lookup=lookup)
    assert only(lag.add(snapshot(100.0, {A: 50}, {A: 10}))).seconds == 40.0
    assert only(lag.add(snapshot(102.0, {A: 60}, {A: 10}))).seconds == 42.0
    moved = only(lag.add(snapshot(104.0, {A: 60}, {A: 30}))).seconds
    assert moved is not None
    assert 4.0 < moved < 44.0
    assert asked == [{(A, 10)}]


def test_unknown_ages_are_none_and_not_zero() -> None:
    assert only(history().add(snapshot(100.0, {A: 50}, {A: 10}))).seconds is None


def test_verdicts_follow_the_readings() -> None:
    lag = history()
    verdicts = [only(lag.add(snapshot(float(t), {A: 100}, {A: 40}))).verdict for t in range(0, 12, 2)]
    assert verdicts == [Verdict.OK] * 5 + [Verdict.STALLED]
    assert only(lag.add(snapshot(12.0, {A: 100}, {A: 40}, num_members=0))).verdict == Verdict.STOPPED
    assert only(lag.add(snapshot(14.0, {A: 100}, {A: 100}))).verdict == Verdict.OK


def test_an_agent_that_never_ran_shows_its_backlog_as_stopped() -> None:
    place = Place(Topic.ITEM_UPDATES, 0)
    state = Snapshot(
        0.0, {}, {place: PartitionState(0, 9)}, {name: GroupState("DEAD", 0, {}) for name in reversed(AGENT_TOPICS)}
    )
    report = history().add(state)
    assert [group.group for group in report.groups] == list(AGENT_TOPICS)
    verdicts = {group.group: (group.verdict, group.lag) for group in report.groups}
    assert verdicts["solaris.item-inference"] == (Verdict.STOPPED, 9)
    assert verdicts["solaris.pair-inference"] == (Verdict.ABSENT, 0)


def test_groups_and_topics_that_are_gone_are_forgotten() -> None:
    lag = history()
    lag.add(snapshot(0.0, {A: 100, B: 100}, {A: 40, B: 40}))
    report = lag.add(Snapshot(2.0, {}, {}, {}))
    assert report.groups == ()
    assert (lag._windows, lag._trends, lag._ends._ends) == ({}, {}, {})


def test_the_trend_covers_the_history_and_no_more() -> None:
    lag = history()
    for second in range(0, 300, 2):
        group = only(lag.add(snapshot(float(second), {A: second}, {A: 0})))
    assert group.trend[0] == (198.0, 198)
    assert group.trend[-1] == (298.0, 298)
