"""Judge a trained bundle on a later period, beside baselines and the truth where it is known."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, Literal

import numpy as np
import torch

from inference.evaluation.baselines import logistic, popularity
from inference.evaluation.explored import judge_explored
from inference.evaluation.liked import judge_liked
from inference.evaluation.metrics import Interval, Values, bootstrap, log_losses, quality
from inference.evaluation.ratio import transfer_ratio
from inference.evaluation.surface import CURRENT, Point, patterns, surface
from inference.models.bundle import Bundle
from inference.models.ranker import DEFAULT_VARIANT
from inference.protocol import Tier
from inference.training.batches import Batches
from inference.training.dataset import Dataset, Flags, Ints
from inference.training.foundation import foundation_logits
from inference.training.ranker import ranker_logits
from inference.training.tiers import Pattern

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

    points = patterns(bundle, view)
    everywhere = points[Point(1.0, CURRENT)]
    nowhere = _nowhere(everywhere)
    cases: dict[str | Point, tuple[str, Pattern]] = {
        "ranker, no pair row": (DEFAULT_VARIANT, nowhere),
        "ranker, no item row": (DEFAULT_VARIANT, replace(nowhere, item=~nowhere.item)),
        "ranker": (DEFAULT_VARIANT, everywhere),
    }
    cases |= {f"ranker {variant}": (variant, everywhere) for variant in bundle.rankers if variant != DEFAULT_VARIANT}
    cases |= {point: (DEFAULT_VARIANT, pattern) for point, pattern in points.items()}
    predictions: dict[str, Values] = {
        "popularity": popularity(data, of_train)[judged],
        "logistic": logistic(data, of_train, judged),
        "foundation model": _probabilities(foundation_logits(bundle, view, everything)),
    }
    by_case = {case: _probabilities(logits) for case, logits in ranker_logits(bundle, view, cases, everything).items()}
    predictions |= {case: values for case, values in by_case.items() if isinstance(case, str)}
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
        "surface": surface(
            {case: log_losses(labels, values) for case, values in by_case.items() if isinstance(case, Point)},
            losses["ranker, no pair row"], losses["foundation model"], users, weights, foundation_gain,
        ),
    }  # fmt: skip


def _nowhere(pattern: Pattern) -> Pattern:
    """The same candidates without any pair row."""
    zeros = np.zeros_like(pattern.age_s)
    return replace(
        pattern, rows=np.zeros_like(pattern.rows), tier=np.full_like(pattern.tier, Tier.DEFAULT), age_s=zeros
    )


def _probabilities(logits: torch.Tensor) -> Values:
    values: Values = torch.sigmoid(logits.double()).numpy()
    return values


def _rows_of(data: Dataset, requests: Sequence[int] | Ints) -> Flags:
    flags = np.zeros(data.num_requests, dtype=bool)
    flags[requests] = True
    return np.asarray(flags[data.cand_request])
