"""What each training candidate gets to see of itself: the miss pattern of serving."""

from dataclasses import dataclass

import numpy as np

from inference.protocol import Tier
from inference.training.dataset import Dataset, Flags, Floats, Ints
from inference.training.foundation import PairTables
from inference.training.plan import TrainingPlan

# The share of a request's pair rows that are behind its user: drawn from this range and cut to 0 and 1, so that in 40 %
# of the requests none are, in 30 % all, and in the others some: speculation renews a user's rows one after the other.
BEHIND = (-4 / 3, 2.0)


@dataclass(frozen=True, slots=True)
class Pattern:
    """What is there of M candidates, as `RankInputs` has it."""

    rows: Floats  # [M, P] pair representations
    tier: Ints  # [M]
    age_s: Floats  # [M]
    item: Flags  # [M] the item has a row


class TierSource:
    """Pair rows, and the aggregates of each user's request before, for the candidates of one data set."""

    def __init__(self, data: Dataset, pairs: PairTables) -> None:
        self.pairs = pairs
        self._data = data
        current, requests = pairs.current, data.cand_request
        counts = np.bincount(requests[current.present], minlength=data.num_requests)
        sums = np.zeros((data.num_requests, current.rows.shape[1]), dtype=np.float32)
        np.add.at(sums, requests[current.present], current.rows[current.present])
        self._means = sums / np.maximum(counts, 1)[:, None]  # [R, P] aggregate of each request's own rows
        before = _request_before(data)  # a stored aggregate comes from what was computed for earlier requests
        self._before = np.where((before >= 0) & (counts[before] > 0), before, -1)

    def draw(self, plan: TrainingPlan, rng: np.random.Generator) -> Pattern:
        """A miss pattern. An item without a row has no pair representation: so it is served."""
        m, r = len(self._data.cand_item), self._data.num_requests
        requests = self._data.cand_request
        item = rng.random(m) >= missing_shares(self._data.uniform, plan.item_dropout)
        without = (rng.random(r) < plan.no_pair_share)[requests]
        exact = self.pairs.current.present & item & ~without & (rng.random(m) < plan.pair_coverage)
        behind = rng.random(m) < np.clip(rng.uniform(*BEHIND, r), 0.0, 1.0)[requests]
        aggregate = ~without & ~exact & item & (rng.random(m) < plan.aggregate_coverage)
        return self.compose(exact, aggregate, behind, item)

    def compose(self, exact: Flags, aggregate: Flags, behind: Flags, item: Flags) -> Pattern:
        """Pair rows where `exact` [M] is set (those that are behind where `behind` is), aggregates where `aggregate` is
        and there is one, the default elsewhere; `item` says which items have a row."""
        data, current, late = self._data, self.pairs.current, self.pairs.behind
        requests = data.cand_request
        before = self._before[requests]
        aggregate = aggregate & ~exact & (before >= 0)
        rows = np.where(behind[:, None], late.rows, current.rows)
        rows[~exact] = 0.0
        rows[aggregate] = self._means[before[aggregate]]
        tier = np.full(len(rows), int(Tier.DEFAULT))
        tier[exact], tier[aggregate] = Tier.PAIR, Tier.AGGREGATE
        since = (data.request_time_ms[requests] - data.request_time_ms[before]) / 1000
        age = np.where(exact, np.where(behind, late.age_s, current.age_s), np.where(aggregate, since, 0.0))
        return Pattern(rows, tier, age.astype(np.float32), item)


def missing_shares(uniform: Flags, share: float) -> Floats:
    """[M] how probable each candidate is to miss its item row, `share` of all in the mean.

    Nobody chose an item that nothing is known of, and what a policy chose is clicked more often than that: so those
    that chance chose are taken, half of them at most, and others only where they do not suffice.
    """
    num_uniform, m = int(uniform.sum()), len(uniform)
    of_uniform = min(0.5, share * m / max(num_uniform, 1))
    of_others = (share * m - of_uniform * num_uniform) / max(m - num_uniform, 1)
    return np.where(uniform, of_uniform, of_others).astype(np.float32)


def _request_before(data: Dataset) -> Ints:
    """[R] number of the same user's request before, -1 for the first."""
    order = np.lexsort((np.arange(data.num_requests), data.request_user))
    before = np.full(data.num_requests, -1, dtype=np.int64)
    same = data.request_user[order][1:] == data.request_user[order][:-1]
    before[order[1:][same]] = order[:-1][same]
    return before
