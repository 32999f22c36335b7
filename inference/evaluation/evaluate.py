"""Judge a trained bundle on a later period, beside baselines and the truth where it is known."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal

import numpy as np
import torch

from inference.evaluation.baselines import logistic, popularity
from inference.evaluation.explored import judge_explored
from inference.evaluation.liked import judge_liked
from inference.evaluation.metrics import Interval, Values, bootstrap, log_losses, quality
from inference.evaluation.ratio import transfer_ratio
from inference.models.bundle import Bundle
from inference.models.ranker import DEFAULT_VARIANT
from inference.training.batches import Batches
from inference.training.dataset import Dataset, Flags, Ints
from inference.training.foundation import PairTable, foundation_logits, foundation_tap
from inference.training.ranker import Pattern, ranker_logits
from inference.training.tiers import TierSource

HOUR_MS = 3_600_000
Slots = Literal["all", "uniform", "both"]


def evaluate(bundle: Bundle, batches: Batches, train: Ints, test: Ints, slots: Slots) -> dict[str, Any]:
    """A report as JSON types: quality of each order on the rows of the `test` requests (of `slots` "uniform" those
    filled by chance alone), gains with 95 % intervals, and the transfer ratio where it is defined.

    Of `slots` "both", "explored" is a second report on the slots filled by chance alone, or says that they are too few.
    Where the candidates stand for ratings, "liked" is a second such report on whether the item was liked.
    `train` requests are what the baselines may learn from. The pair rows judged here are by the finished foundation
    model, which has not seen a label of the later period.
    """
    data = batches.data
    of_train, of_test = _rows_of(data, train), _rows_of(data, test)
    judged = of_test & data.uniform if slots == "uniform" else of_test
    part = data.keep(judged)
    view = batches.like(part, bundle.sizes.history_length)
    everything = np.arange(part.num_requests)
    labels, weights = part.clicked.astype(float), part.weight.astype(float)
    users = part.request_user[part.cand_request]

    fresh, stale = (_pair_rows(bundle, view, lag_ms) for lag_ms in (0, HOUR_MS))
    cases = {
        "ranker, no pair row": (DEFAULT_VARIANT, _pattern(part, fresh, 0.0)),
        "ranker, half of the pairs": (DEFAULT_VARIANT, _pattern(part, fresh, 0.5)),
        "ranker, pairs an hour old": (DEFAULT_VARIANT, _pattern(part, stale, 1.0)),
        "ranker": (DEFAULT_VARIANT, _pattern(part, fresh, 1.0)),
    }
    others = [variant for variant in bundle.rankers if variant != DEFAULT_VARIANT]
    cases |= {f"ranker {variant}": (variant, _pattern(part, fresh, 1.0)) for variant in others}
    predictions: dict[str, Values] = {
        "popularity": popularity(data, of_train)[judged],
        "logistic": logistic(data, of_train, judged),
        "foundation model": _probabilities(foundation_logits(bundle, view, everything)),
    }
    predictions |= {
        name: _probabilities(logits) for name, logits in ranker_logits(bundle, view, cases, everything).items()
    }
    if not np.isnan(part.oracle).any():
        predictions["ceiling"] = part.oracle.astype(float)
    losses = {name: log_losses(labels, values) for name, values in predictions.items()}

    def gain(better: str, worse: str) -> Interval:
        rows = np.stack([losses[worse], losses[better]], axis=1)
        return bootstrap(lambda mean: float(mean[0] - mean[1]), rows, users, weights)

    foundation_gain = gain("foundation model", "ranker, no pair row")
    liked = judge_liked(part, predictions)
    explored = judge_explored(part, predictions) if slots == "both" else None
    beside = {name: report for name, report in (("liked", liked), ("explored", explored)) if report is not None}
    return beside | {
        "rows": len(labels),
        "users": len(np.unique(users)),
        "rate": round(float(np.average(labels, weights=weights)), 6),
        "slots": "uniform" if slots == "uniform" else "all",
        "quality": {name: quality(labels, p, users, weights).as_dict() for name, p in predictions.items()},
        "gains": {
            "ranker over popularity": asdict(gain("ranker", "popularity")),
            "ranker over logistic": asdict(gain("ranker", "logistic")),
            "ranker over itself without pair rows": asdict(gain("ranker", "ranker, no pair row")),
            "foundation model over ranker without pair rows": asdict(foundation_gain),
        },
        "transfer_ratio": transfer_ratio(
            losses["ranker, no pair row"], losses["ranker"], losses["foundation model"], users, weights, foundation_gain
        ),
    }


def _pattern(data: Dataset, pairs: PairTable, coverage: float) -> Pattern:
    """The miss pattern when this share of the candidates, drawn by chance, has its pair row."""
    exact = np.random.default_rng(0).random(len(pairs.rows)) < coverage
    return TierSource(data, pairs).compose(exact, np.zeros(len(exact), dtype=bool))


def _pair_rows(bundle: Bundle, view: Batches, lag_ms: int) -> PairTable:
    """Pair rows of all candidates from histories as they were `lag_ms` before the request."""
    data = view.data
    rows = np.zeros((len(data.cand_item), bundle.sizes.pair_width), dtype=np.float32)
    for batch in view.ordered(np.arange(data.num_requests), 256, data.request_time_ms - lag_ms):
        rows[batch.rows] = bundle.foundation.pair_rows(foundation_tap(bundle, batch)).numpy()
    ages = np.full(len(rows), lag_ms / 1000, dtype=np.float32)
    return PairTable(rows, np.ones(len(rows), dtype=bool), ages)


def _probabilities(logits: torch.Tensor) -> Values:
    values: Values = torch.sigmoid(logits.double()).numpy()
    return values


def _rows_of(data: Dataset, requests: Sequence[int] | Ints) -> Flags:
    flags = np.zeros(data.num_requests, dtype=bool)
    flags[requests] = True
    return np.asarray(flags[data.cand_request])
