"""Beside the task a release was trained for: did the user rate the item above their own mean of before?

A guard. A model that tells which item is next knows little of how much it will be liked, so a transfer ratio should
not be defined here, and a report that prints one has gained something else than it says.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from inference.evaluation.metrics import Values, bootstrap, log_losses, quality
from inference.evaluation.ratio import transfer_ratio
from inference.models.history_encoder import KIND_INDEX
from inference.training.dataset import Dataset, history_ranges

MIN_ROWS = 200  # of each half; fewer say nothing
PLAIN, ENRICHED, FOUNDATION = "ranker, no pair row", "ranker", "foundation model"


def judge_liked(data: Dataset, predictions: Mapping[str, Values]) -> dict[str, Any] | None:
    """How well the predictions [M] of a next item tell what is liked; None where the data do not say, or too little.

    Each is mapped to the new label by a logistic regression of its logit, fitted on the first half of the rows by
    time; the second half is judged.
    """
    labels = liked_labels(data)
    rows = np.flatnonzero(~np.isnan(labels))  # requests are in time order
    fit, judged = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    if len(fit) < MIN_ROWS or any(len(np.unique(labels[half])) < 2 for half in (fit, judged)):
        return None
    label, users, weights = labels[judged], data.request_user[data.cand_request[judged]], np.ones(len(judged))
    mapped = {name: _mapped(predictions[name], labels[fit], fit, judged) for name in (PLAIN, ENRICHED, FOUNDATION)}
    losses = {name: log_losses(label, values) for name, values in mapped.items()}
    gain = bootstrap(
        lambda mean: float(mean[0] - mean[1]), np.stack([losses[PLAIN], losses[FOUNDATION]], axis=1), users, weights
    )
    return {
        "rows": len(judged),
        "users": len(np.unique(users)),
        "rate": round(float(label.mean()), 6),
        "quality": {name: quality(label, values, users, weights).as_dict() for name, values in mapped.items()},
        "gains": {"foundation model over ranker without pair rows": asdict(gain)},
        "transfer_ratio": transfer_ratio(losses[PLAIN], losses[ENRICHED], losses[FOUNDATION], users, weights, gain),
    }


def liked_labels(data: Dataset) -> Values:
    """[M] 1 where the rating that a clicked candidate stands for is above the mean of the user's earlier ones, 0
    where it is not, NaN for other candidates and users without an earlier rating."""
    is_rating = data.event_kind == KIND_INDEX["rating"]
    columns = (data.event_user, data.event_item, data.event_time_ms)
    keys = zip(*(column[is_rating].tolist() for column in columns), strict=True)
    value_of = dict(zip(keys, data.event_value[is_rating], strict=True))
    sums = np.concatenate([[0.0], np.cumsum(np.where(is_rating, data.event_value, 0.0), dtype=np.float64)])
    counts = np.concatenate([[0], np.cumsum(is_rating)])
    begin, end = history_ranges(data, max(len(data.event_user), 1))
    labels = np.full(len(data.cand_item), np.nan)
    requests = data.cand_request
    for row in np.flatnonzero(data.clicked > 0):
        r = requests[row]
        value = value_of.get((int(data.request_user[r]), int(data.cand_item[row]), int(data.request_time_ms[r])))
        earlier = counts[end[r]] - counts[begin[r]]
        if value is not None and earlier:
            labels[row] = value > (sums[end[r]] - sums[begin[r]]) / earlier
    return labels


def _mapped(predictions: Values, labels: Values, fit: np.ndarray, judged: np.ndarray) -> Values:
    p = np.clip(predictions, 1e-6, 1 - 1e-6)
    logits = np.log(p / (1 - p))[:, None]
    model = LogisticRegression(C=1e6).fit(logits[fit], labels)
    return np.asarray(model.predict_proba(logits[judged])[:, 1])
