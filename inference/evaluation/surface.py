"""What pair rows are worth by how many candidates have one and how far they are behind their user."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from inference.evaluation.metrics import Interval, Values
from inference.evaluation.ratio import transfer_ratio
from inference.models.bundle import Bundle
from inference.training.batches import Batches
from inference.training.behind import ages_s, cut_before
from inference.training.dataset import Ints
from inference.training.foundation import PairTable, PairTables, foundation_tap
from inference.training.tiers import Pattern, TierSource

HOUR_MS = 3_600_000
COVERAGES = (1.0, 0.5)
CURRENT = "current"
LAGS = (CURRENT, "lacking 1 action", "lacking 3 actions", "an hour old")


@dataclass(frozen=True, slots=True)
class Point:
    """A share of the candidates, drawn by chance, that have their pair row; and what the rows lack."""

    coverage: float
    lag: str


def patterns(bundle: Bundle, view: Batches) -> dict[Point, Pattern]:
    """The miss pattern of every point, by the finished foundation model."""
    data = view.data
    now = data.request_time_ms
    cuts = (now, *(cut_before(data, np.full(data.num_requests, n)) for n in (1, 3)), now - HOUR_MS)
    sources = {lag: _source(bundle, view, cut_ms) for lag, cut_ms in zip(LAGS, cuts, strict=True)}
    chance, item = np.random.default_rng(0).random(len(data.cand_item)), np.ones(len(data.cand_item), bool)
    return {
        Point(coverage, lag): source.compose(chance < coverage, ~item, ~item, item)
        for lag, source in sources.items()
        for coverage in COVERAGES
    }


def surface(
    losses: dict[Point, Values], plain: Values, foundation: Values, users: Ints, weights: Values, gain: Interval
) -> list[dict[str, Any]]:
    """Log loss and transfer ratio of every point; losses [M], `plain` those of the ranker without pair rows."""
    return [
        {
            "coverage": point.coverage,
            "lag": point.lag,
            "log_loss": round(float(np.average(loss, weights=weights)), 6),
            "transfer_ratio": transfer_ratio(plain, loss, foundation, users, weights, gain),
        }
        for point, loss in losses.items()
    ]


def _source(bundle: Bundle, view: Batches, cut_ms: Ints) -> TierSource:
    """Pair rows of all candidates from histories that end at `cut_ms`."""
    data = view.data
    rows = np.zeros((len(data.cand_item), bundle.sizes.pair_width), dtype=np.float32)
    for batch in view.ordered(np.arange(data.num_requests), 256, cut_ms):
        rows[batch.rows] = bundle.foundation.pair_rows(foundation_tap(bundle, batch)).numpy()
    table = PairTable(rows, np.ones(len(rows), dtype=bool), ages_s(data, cut_ms)[data.cand_request])
    return TierSource(data, PairTables(table, table))
