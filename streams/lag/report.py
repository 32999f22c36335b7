"""What the monitor says: values only, made by the history, shown by CLI, page and metrics."""

from dataclasses import asdict, dataclass
from typing import Any

from streams.lag.rules import Verdict


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """One partition of one group. `committed` None: never committed, all of the log counts as waiting.

    `seconds` is how long the oldest unread record has been waiting; None when that is not known.
    """

    topic: str
    partition: int
    committed: int | None
    end: int
    lag: int
    seconds: float | None
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class GroupLag:
    """One group: sums and maxima over its partitions; `trend` is (time in s, lag) over the last minutes."""

    group: str
    verdict: Verdict
    lag: int
    seconds: float | None
    state: str
    num_members: int
    partitions: tuple[PartitionLag, ...]
    trend: tuple[tuple[float, int], ...]


@dataclass(frozen=True, slots=True)
class LagReport:
    """All groups at one time (seconds since the epoch), ours first."""

    time_s: float
    groups: tuple[GroupLag, ...]

    def to_json(self) -> dict[str, Any]:  # Any: JSON
        """Plain values for `/lag` and `--json`."""
        return asdict(self)
