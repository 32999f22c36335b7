"""What `lag` prints and returns."""

import pytest

from streams.commands.lag import status, table
from streams.lag.report import GroupLag, LagReport, PartitionLag
from streams.lag.rules import Verdict


def group(name: str, verdict: Verdict, lag: int = 60, seconds: float | None = 3.2) -> GroupLag:
    partition = PartitionLag("reco.item.updates.v1", 3, 40, 40 + lag, lag, seconds, verdict)
    return GroupLag(name, verdict, lag, seconds, "EMPTY", 0, (partition,), ())


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [(Verdict.OK, 0), (Verdict.SLOW, 0), (Verdict.ABSENT, 1), (Verdict.STALLED, 1), (Verdict.STOPPED, 1)],
)
def test_the_status_tells_whether_one_of_our_agents_is_at_rest(verdict: Verdict, expected: int) -> None:
    assert status(LagReport(0.0, (group("solaris.user-refresh", verdict),))) == expected
    assert status(LagReport(0.0, (group("somebody.else", verdict),))) == 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "-"),
        (0.25, "0.2 s"),
        (100.0, "100 s"),
        (119.9, "120 s"),
        (600.0, "10 min"),
        (9000.0, "2.5 h"),
        (None, "?"),
    ],
)
def test_waiting_times_are_readable(seconds: float | None, text: str) -> None:
    line = table(LagReport(0.0, (group("g", Verdict.OK, seconds=seconds),))).splitlines()[1]
    assert f" {text} " in line


def test_the_table_is_aligned_and_names_the_topics_behind() -> None:
    report = LagReport(0.0, (group("solaris.item-inference", Verdict.STOPPED), group("g", Verdict.OK, 0, 0.0)))
    assert table(report, partitions=True).splitlines() == [
        "group                     verdict  lag (records)  oldest waiting  members  lag by topic",
        "solaris.item-inference    stopped  60             3.2 s           0        reco.item.updates.v1 60",
        "  reco.item.updates.v1/3  stopped  60             3.2 s",
        "g                         ok       0              -               0",
        "  reco.item.updates.v1/3  ok       0              -",
    ]
