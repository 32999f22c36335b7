"""The transfer ratio, and when it is not defined."""

from dataclasses import asdict

import numpy as np

from inference.evaluation.metrics import Interval, Values, bootstrap
from inference.training.dataset import Ints

UNDEFINED = "undefined"


def transfer_ratio(
    plain: Values, enriched: Values, foundation: Values, users: Ints, weights: Values, foundation_gain: Interval
) -> dict[str, float] | str:
    """Share of the foundation model's gain that the ranker got; undefined unless that gain is certain."""
    if not foundation_gain.excludes_zero or foundation_gain.value < 0:
        return UNDEFINED
    rows = np.stack([plain, enriched, foundation], axis=1)

    def ratio(mean: Values) -> float:
        return float((mean[0] - mean[1]) / (mean[0] - mean[2]))

    return asdict(bootstrap(ratio, rows, users, weights))
