"""Which pairs are worth the foundation model: pure, from what a user was offered, shown and did.

The value of a pair is how much is expected of having it when the user's next request comes: items that retrieval found
early will be found again, items that were shown high will be shown again, and all of it fades with time.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from cache.store import PairIndex
from runtime.ids import ItemId, UserId
from streams.wire.events import Activity, Retrieval, Slate

RETRIEVED = 1.0  # weight of the first candidate; halved by rank `HALF_RANK`
SHOWN = 0.8  # weight of the first position of a slate
NOT_SHOWN = 0.1  # of the items that were scored and left out, or shown by chance alone: chance does not repeat itself
HALF_RANK = 20.0
HALF_POSITION = 5.0
HALF_LIFE_S = 600.0
OUTDATED = 0.5
# What the user did with an item says how probable it is to be offered again; a conversion ends the interest.
ACTED: Mapping[str, float] = {"click": 0.5, "rating": 0.2, "impression": 0.05, "conversion": 0.0}


@dataclass(frozen=True, slots=True)
class Wanted:
    """One pair and what having it is worth."""

    user: UserId
    item: ItemId
    value: float


def value_pairs(
    retrievals: Iterable[Retrieval], activity: Iterable[Activity], slates: Iterable[Slate], now_ms: int
) -> list[Wanted]:
    """The pairs that these events speak for, the most valuable first; evidence of one pair adds up."""
    values: dict[tuple[UserId, ItemId], float] = {}

    def add(user: str, item: str, value: float, time_ms: int) -> None:
        if value > 0:
            age_s = max(now_ms - time_ms, 0) / 1000
            key = (UserId(user), ItemId(item))
            values[key] = values.get(key, 0.0) + value * math.exp2(-age_s / HALF_LIFE_S)

    for retrieval in retrievals:
        for rank, item in enumerate(_ranked(retrieval)):
            add(retrieval.user_id, item, RETRIEVED / (1 + rank / HALF_RANK), retrieval.event_time_ms)
    for slate in slates:
        for served in slate.items:
            position = None if served.explored else served.position
            shown = NOT_SHOWN if position is None else SHOWN / (1 + position / HALF_POSITION)
            add(slate.user_id, served.item_id, shown, slate.event_time_ms)
    for event in activity:
        add(event.user_id, event.item_id, ACTED.get(event.kind, 0.0), event.event_time_ms)
    wanted = [Wanted(user, item, value) for (user, item), value in values.items()]
    return sorted(wanted, key=lambda pair: (-pair.value, pair.user, pair.item))


def limit_per_user(wanted: Sequence[Wanted], max_per_user: int, min_value: float) -> list[Wanted]:
    """At most `max_per_user` pairs of each user, none worth less than `min_value`; the order stays."""
    taken: dict[UserId, int] = {}
    chosen = []
    for pair in wanted:
        if pair.value >= min_value and taken.get(pair.user, 0) < max_per_user:
            taken[pair.user] = taken.get(pair.user, 0) + 1
            chosen.append(pair)
    return chosen


def drop_known(wanted: Sequence[Wanted], indices: Mapping[UserId, PairIndex]) -> list[Wanted]:
    """Those whose row is neither there nor asked for, the most valuable first.

    A row from before the user's last action is computed anew, but worth `OUTDATED` of one that is not there: it serves
    meanwhile, and most of what it says still holds.
    """
    left = []
    for pair in wanted:
        index = indices[pair.user]
        if pair.item in index.pending:
            continue
        rev = index.stored.get(pair.item)
        if rev is None:
            left.append(pair)
        elif rev < index.rev:
            left.append(replace(pair, value=pair.value * OUTDATED))
    return sorted(left, key=lambda pair: (-pair.value, pair.user, pair.item))


def _ranked(retrieval: Retrieval) -> list[str]:
    """Candidates by retrieval score where they have one, else as they were listed."""
    candidates = list(retrieval.candidates or ())
    candidates.sort(key=lambda c: -c.retrieval_score if c.retrieval_score is not None else 0.0)
    return [candidate.item_id for candidate in candidates]


class Budget:
    """Pairs that may be asked for: a bucket that fills at a rate, holds `burst_s` of it, and is full at the start."""

    def __init__(self, burst_s: float) -> None:
        self._burst_s = burst_s
        self._left = math.inf
        self._filled_s: float | None = None

    def fill(self, per_s: float, now_s: float) -> int:
        """Fill at `per_s` since the last call; return what may be spent now."""
        elapsed_s = 0.0 if self._filled_s is None else now_s - self._filled_s
        self._filled_s = now_s
        self._left = min(self._left + per_s * elapsed_s, per_s * self._burst_s)
        return math.floor(self._left)

    def spend(self, num_pairs: int) -> None:
        """These were asked for."""
        self._left -= num_pairs


class Shares:
    """`allowed` pairs of one batch, shared by the releases: live first, then staged, which gets what live leaves too.

    Under load they get the same, or staged's pairs would never come near enough to live's for the switch. What does not
    divide stays in the budget, so that neither takes all of a budget that trickles.
    """

    def __init__(self, allowed: int, num_releases: int) -> None:
        self._num_left = num_releases
        self._left = max(allowed - allowed % max(num_releases, 1), 0)

    def next(self) -> int:
        """What the next release may ask for."""
        share, self._num_left = self._left // self._num_left, self._num_left - 1
        return share

    def spend(self, num_pairs: int) -> None:
        """The release asked for these."""
        self._left -= num_pairs


def rate_per_s(
    *, budget_per_s: float, capacity_per_s: float, own_share: float, queue_delay_s: float | None, expiry_s: float
) -> float:
    """Pairs per second that this worker may ask for: its share of what is allowed and of what can be done.

    0 while what was asked for waits longer than a quarter of its life: more would only be shed. `queue_delay_s` is None
    before pair inference has said how far it is.
    """
    if queue_delay_s is not None and queue_delay_s > expiry_s / 4:
        return 0.0
    return min(budget_per_s, capacity_per_s) * own_share
