"""Quality of predicted probabilities, and intervals by bootstrap over users."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

Values = NDArray[np.float64]
EPSILON = 1e-7
NUM_RESAMPLES = 500


@dataclass(frozen=True, slots=True)
class Quality:
    """All weighted; `auc` and `gauc` are NaN where there is only one label."""

    log_loss: float
    normalised_entropy: float  # log loss / that of always predicting the base rate
    calibration: float  # sum of predictions / sum of labels
    auc: float
    gauc: float  # mean AUC within users, weighted by their rows

    def as_dict(self) -> dict[str, float | None]:
        """For JSON, where NaN does not exist."""
        return {name: None if np.isnan(value) else round(value, 6) for name, value in asdict(self).items()}


def quality(labels: Values, predictions: Values, users: NDArray[np.int64], weights: Values) -> Quality:
    """Measure `predictions` against `labels`, all [N]."""
    losses = log_losses(labels, predictions)
    rate = float(np.average(labels, weights=weights))
    base = float(np.average(log_losses(labels, np.full(len(labels), rate)), weights=weights))
    loss = float(np.average(losses, weights=weights))
    clicks = float((labels * weights).sum())
    return Quality(
        log_loss=loss,
        normalised_entropy=loss / base if base > 0 else float("nan"),
        calibration=float((predictions * weights).sum()) / clicks if clicks else float("nan"),
        auc=_auc(labels, predictions, weights),
        gauc=_gauc(labels, predictions, users, weights),
    )


def log_losses(labels: Values, predictions: Values) -> Values:
    """Log loss of each row, [N]."""
    p = np.clip(predictions, EPSILON, 1 - EPSILON)
    return np.asarray(-(labels * np.log(p) + (1 - labels) * np.log(1 - p)))


@dataclass(frozen=True, slots=True)
class Interval:
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


def bootstrap(
    statistic: Callable[[Values], float], rows: Values, users: NDArray[np.int64], weights: Values, seed: int = 0
) -> Interval:
    """Interval of a function of the weighted column means of `rows` [N, C], resampling users, never rows."""
    _, number = np.unique(users, return_inverse=True)
    columns = [np.bincount(number, weights=rows[:, c] * weights) for c in range(rows.shape[1])]
    sums = np.stack([*columns, np.bincount(number, weights=weights)], axis=1)  # [users, C + 1]
    rng = np.random.default_rng(seed)
    num_users = len(sums)
    values = []
    for _ in range(NUM_RESAMPLES):
        total = sums[rng.integers(0, num_users, num_users)].sum(0)
        values.append(statistic(total[:-1] / max(total[-1], EPSILON)))
    whole = sums.sum(0)
    low, high = np.percentile(values, [2.5, 97.5])
    return Interval(statistic(whole[:-1] / max(whole[-1], EPSILON)), float(low), float(high))


def _auc(labels: Values, predictions: Values, weights: Values) -> float:
    if len(labels) == 0 or labels.min() == labels.max():
        return float("nan")
    return float(roc_auc_score(labels, predictions, sample_weight=weights))


def _gauc(labels: Values, predictions: Values, users: NDArray[np.int64], weights: Values) -> float:
    """All users at once: rows sorted by user and prediction, equal predictions counted as half."""
    order = np.lexsort((predictions, users))
    user, predicted = users[order], predictions[order]
    clicks, others = (labels * weights)[order], ((1 - labels) * weights)[order]
    new_user = np.concatenate([[True], user[1:] != user[:-1]])
    new_tie = new_user | np.concatenate([[True], predicted[1:] != predicted[:-1]])
    tie = np.cumsum(new_tie) - 1
    group = (np.cumsum(new_user) - 1)[new_tie]  # of each tie
    clicks_tied, others_tied = np.bincount(tie, clicks), np.bincount(tie, others)
    below = np.cumsum(others_tied) - others_tied
    below -= below[np.searchsorted(group, group)]  # of the same user only
    wins = np.bincount(group, clicks_tied * (below + others_tied / 2))
    pairs = np.bincount(group, clicks_tied) * np.bincount(group, others_tied)
    sizes = np.bincount(group, clicks_tied + others_tied)
    defined = pairs > 0
    if not defined.any():
        return float("nan")
    return float(np.average(wins[defined] / pairs[defined], weights=sizes[defined]))
