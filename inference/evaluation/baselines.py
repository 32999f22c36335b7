"""What a release must beat: a popularity order, and a logistic regression on everyday features."""

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from inference.training.dataset import Dataset, Flags, history_ranges

Values = NDArray[np.float64]
PRIOR_ROWS = 50.0  # rows at the average rate that every item starts with
MAX_WORDS = 400  # most frequent feature words that the logistic regression knows
RECENT = (1, 5, 30)  # events whose features make up a user's profiles
MAX_TRAINING_ROWS = 40_000


def popularity(data: Dataset, train: Flags) -> Values:
    """Click rate of each candidate's item in the `train` rows [M], smoothed, scaled to its position -> [M]."""
    rate = item_rates(data, train)
    base = float(np.average(data.clicked[train], weights=data.weight[train]))
    num_positions = int(data.cand_position.max(initial=0)) + 1
    clicks = np.bincount(data.cand_position[train], weights=_clicks(data)[train], minlength=num_positions)
    shown = np.bincount(data.cand_position[train], weights=data.weight[train], minlength=num_positions)
    by_position = (clicks + PRIOR_ROWS * base) / (shown + PRIOR_ROWS) / base
    return np.clip(rate[data.cand_item] * by_position[data.cand_position], 1e-4, 1 - 1e-4)


def item_rates(data: Dataset, train: Flags) -> Values:
    """Smoothed click rate of every item in the `train` rows, [I]."""
    base = float(np.average(data.clicked[train], weights=data.weight[train]))
    num_items = len(data.items)
    clicks = np.bincount(data.cand_item[train], weights=_clicks(data)[train], minlength=num_items)
    shown = np.bincount(data.cand_item[train], weights=data.weight[train], minlength=num_items)
    return np.asarray((clicks + PRIOR_ROWS * base) / (shown + PRIOR_ROWS))


def logistic(data: Dataset, train: Flags, wanted: Flags, seed: int = 0) -> Values:
    """A logistic regression fitted on `train` rows -> probabilities of the `wanted` rows.

    Its features: log popularity, position, how much of what the user did of late shares words with the item (three
    windows), how much the user did, and the item's own words.
    """
    words = _words(data)
    rng = np.random.default_rng(seed)
    rows = np.flatnonzero(train)
    rows = np.sort(rng.choice(rows, min(len(rows), MAX_TRAINING_ROWS), replace=False))
    popular = np.log(item_rates(data, train))
    fit, apply = (_features(data, words, popular, chosen) for chosen in (rows, np.flatnonzero(wanted)))
    mean, scale = fit.mean(0), fit.std(0) + 1e-6
    model = LogisticRegression(max_iter=300, C=0.1)
    model.fit((fit - mean) / scale, data.clicked[rows] > 0, sample_weight=data.weight[rows])
    return np.asarray(model.predict_proba((apply - mean) / scale)[:, 1])


def _features(data: Dataset, words: NDArray[np.float32], popular: Values, rows: NDArray[np.int64]) -> Values:
    requests = data.cand_request[rows]
    begin, end = history_ranges(data, max(RECENT))
    sums = np.concatenate([np.zeros((1, words.shape[1])), np.cumsum(words[data.event_item], axis=0, dtype=np.float64)])
    item = words[data.cand_item[rows]]
    overlaps = []
    for window in RECENT:
        first = np.maximum(begin, end - window)
        profile = (sums[end] - sums[first]) / np.maximum(end - first, 1)[:, None]
        overlaps.append((profile[requests] * item).sum(1))
    columns = [
        popular[data.cand_item[rows]],
        np.log1p(data.cand_position[rows]),
        *overlaps,
        np.log1p(end - begin)[requests],
    ]
    return np.concatenate([np.stack(columns, axis=1), item], axis=1)


def _words(data: Dataset) -> NDArray[np.float32]:
    """Which of the most frequent `name=value` words each item has, [I, V]."""
    bags = [
        [f"{name}={value}" for name, values in features.items() for value in _values(values)]
        for features in data.items.values()
    ]
    names, counts = np.unique([word for bag in bags for word in bag] or ["-"], return_counts=True)
    kept = {word: at for at, word in enumerate(names[np.argsort(-counts, kind="stable")][:MAX_WORDS])}
    table = np.zeros((len(bags), len(kept)), dtype=np.float32)
    for row, bag in enumerate(bags):
        for word in bag:
            if word in kept:
                table[row, kept[word]] = 1.0
    return table


def _values(value: object) -> list[str]:
    if isinstance(value, list):
        return [str(word) for word in value]
    return [value] if isinstance(value, str) else []


def _clicks(data: Dataset) -> NDArray[np.float32]:
    return np.asarray(data.clicked * data.weight)
