"""Beside all served slots: quality on those that chance filled.

What a model chose to show says little of what it would have done with the rest: a release looks good on the slates of
its own kind. The slots that chance filled (`serving.explore`) are a fair sample of the candidates.
"""

from collections.abc import Mapping
from typing import Any

from inference.evaluation.metrics import Values, quality
from inference.training.dataset import Dataset

MIN_ROWS = 200
MIN_CLICKS = 30  # with n clicks, calibration alone is uncertain by 1 / sqrt(n): 18 %


def judge_explored(data: Dataset, predictions: Mapping[str, Values]) -> dict[str, Any]:
    """`rows` and `clicks` of the slots filled by chance, and the `quality` of the predictions [M] there; `too_few` says
    what is missing where there are not enough to judge by."""
    flags = data.uniform
    users = data.request_user[data.cand_request][flags]
    labels, weights = data.clicked[flags].astype(float), data.weight[flags].astype(float)
    num_clicks = int(labels.sum())
    counts: dict[str, Any] = {"rows": len(labels), "clicks": num_clicks}
    if len(labels) < MIN_ROWS or not MIN_CLICKS <= num_clicks < len(labels):
        return counts | {"too_few": f"{MIN_ROWS} rows and {MIN_CLICKS} clicks are needed to judge by them"}
    return counts | {
        "quality": {name: quality(labels, p[flags], users, weights).as_dict() for name, p in predictions.items()}
    }
