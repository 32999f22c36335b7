"""Verdicts without thresholds, after Burrow's rules: what the window of readings says, never how large a lag is.

A partition, over its window (oldest reading first), is

1. **ok** if its lag was 0 at any reading, or if there is no reading;
2. **stopped** if its offset did not move and the group has no member, at every reading or at the end of a whole window;
3. **stalled** if its offset did not move over a whole window though the group has members;
4. **slow** if over a whole window its lag never shrank and has grown;
5. **ok** otherwise.

A group is as bad as its worst partition, and **absent** if all are ok but nobody was a member at any reading and no
offset moved: nothing waits, and nobody would read it. A healthy agent shows a lag of rate x commit interval, so a lag
alone is no fault. A rewound offset counts as moved.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise


class Verdict(StrEnum):
    """From best to worst."""

    OK = "ok"
    ABSENT = "absent"
    SLOW = "slow"
    STALLED = "stalled"
    STOPPED = "stopped"


SEVERITY = {verdict: level for level, verdict in enumerate(Verdict)}
MEANING = {
    Verdict.OK: "keeps up",
    Verdict.ABSENT: "nothing waits, and nobody is there to read",
    Verdict.SLOW: "reads, but falls further behind",
    Verdict.STALLED: "has members, but its offset does not move",
    Verdict.STOPPED: "nobody reads what is waiting",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """One partition of one group at one time; `committed` None if the group never committed there."""

    time_s: float
    committed: int | None
    lag: int
    num_members: int


def judge(window: Sequence[Reading], window_s: float) -> Verdict:
    """The verdict on one partition; the window is whole when it spans at least `window_s`."""
    if not window or any(reading.lag == 0 for reading in window):
        return Verdict.OK
    whole = window[-1].time_s - window[0].time_s >= window_s
    if all(reading.committed == window[0].committed for reading in window):
        if all(reading.num_members == 0 for reading in window) or (whole and window[-1].num_members == 0):
            return Verdict.STOPPED
        return Verdict.STALLED if whole else Verdict.OK
    shrank = any(later.lag < earlier.lag for earlier, later in pairwise(window))
    if whole and not shrank and window[-1].lag > window[0].lag:
        return Verdict.SLOW
    return Verdict.OK


def judge_group(verdicts: Iterable[Verdict], windows: Iterable[Sequence[Reading]], num_members: int) -> Verdict:
    """The verdict on a group from those on its partitions, their windows, and its members now."""
    verdict = worst(verdicts)
    if verdict is Verdict.OK and num_members == 0 and all(_nobody_came(window) for window in windows):
        return Verdict.ABSENT
    return verdict


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of some verdicts; ok without any."""
    return max(verdicts, key=SEVERITY.__getitem__, default=Verdict.OK)


def _nobody_came(window: Sequence[Reading]) -> bool:
    return all(reading.num_members == 0 and reading.committed == window[0].committed for reading in window)
