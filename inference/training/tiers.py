"""Which pair representation each training candidate gets to see: the miss pattern of serving."""

import numpy as np

from inference.protocol import Tier
from inference.training.dataset import Dataset, Floats, Ints
from inference.training.foundation import PairTable
from inference.training.plan import TrainingPlan


class TierSource:
    """Pair rows, and the aggregates of each user's request before, for the candidates of one data set."""

    def __init__(self, data: Dataset, pairs: PairTable) -> None:
        self.pairs = pairs
        self._data = data
        requests = data.cand_request
        counts = np.bincount(requests[pairs.present], minlength=data.num_requests)
        sums = np.zeros((data.num_requests, pairs.rows.shape[1]), dtype=np.float32)
        np.add.at(sums, requests[pairs.present], pairs.rows[pairs.present])
        self._means = sums / np.maximum(counts, 1)[:, None]  # [R, P] aggregate of each request's own rows
        before = _request_before(data)  # a stored aggregate comes from what was computed for earlier requests
        self._before = np.where((before >= 0) & (counts[before] > 0), before, -1)

    def draw(self, plan: TrainingPlan, rng: np.random.Generator) -> tuple[Floats, Ints, Floats]:
        """A miss pattern: pair rows [M, P], tiers [M], ages in seconds [M]."""
        data, m = self._data, len(self._data.cand_item)
        requests = data.cand_request
        without = (rng.random(data.num_requests) < plan.no_pair_share)[requests]
        exact = self.pairs.present & ~without & (rng.random(m) < plan.pair_coverage)
        known = (self._before >= 0)[requests] & ~without
        aggregate = known & ~exact & (rng.random(m) < plan.aggregate_coverage)
        return self.compose(exact, aggregate)

    def compose(self, exact: np.ndarray, aggregate: np.ndarray) -> tuple[Floats, Ints, Floats]:
        """Rows where `exact` [M] is set, aggregates where `aggregate` is, the default elsewhere."""
        data = self._data
        requests = data.cand_request
        before = self._before[requests]
        aggregate = aggregate & ~exact & (before >= 0)
        rows = np.where(exact[:, None], self.pairs.rows, 0.0).astype(np.float32)
        rows[aggregate] = self._means[before[aggregate]]
        tier = np.full(len(rows), int(Tier.DEFAULT))
        tier[exact], tier[aggregate] = Tier.PAIR, Tier.AGGREGATE
        since = (data.request_time_ms[requests] - data.request_time_ms[before]) / 1000
        age = np.where(exact, self.pairs.age_s, np.where(aggregate, since, 0.0)).astype(np.float32)
        return rows, tier, age


def _request_before(data: Dataset) -> Ints:
    """[R] number of the same user's request before, -1 for the first."""
    order = np.lexsort((np.arange(data.num_requests), data.request_user))
    before = np.full(data.num_requests, -1, dtype=np.int64)
    same = data.request_user[order][1:] == data.request_user[order][:-1]
    before[order[1:][same]] = order[:-1][same]
    return before
