"""Lag as time: how long the oldest unread record has been waiting."""

from bisect import bisect_right
from collections.abc import Sequence


def seconds_behind(ends: Sequence[tuple[float, int]], offset: int, now_s: float) -> float | None:
    """Age of the record at `offset`, from observed (time in s, end offset) pairs, oldest first, neither ever falling.

    The record was appended when the end went from `offset` to `offset + 1`: interpolated between the two observations
    around that. 0 if it does not exist yet; None if it is older than the observations.
    """
    if not ends or offset >= ends[-1][1]:
        return 0.0
    after = bisect_right(ends, offset, key=lambda observation: observation[1])  # the first end beyond the record
    if after == 0:
        return None
    (earlier_s, earlier_end), (later_s, later_end) = ends[after - 1], ends[after]
    share = (offset + 1 - earlier_end) / (later_end - earlier_end)
    return max(0.0, now_s - (earlier_s + share * (later_s - earlier_s)))


def in_words(seconds: float | None) -> str:
    """A waiting time as a person reads it: `-` where nothing waits, `?` where it is not known."""
    if seconds is None:
        return "?"
    if seconds == 0:
        return "-"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
