"""Which candidates would be shown: what changes of them when scores are computed in another way."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from inference.serving.select import scores, top_k

TOP = 10


@dataclass(frozen=True, slots=True)
class SameTop:
    """Of all requests that have more candidates than that; None where there is none."""

    ten: float | None  # mean share of the ten best that stay among the ten best
    first: float | None  # share of the requests whose best candidate stays the best


def served_scores(logits: torch.Tensor, conversion_weight: float) -> NDArray[np.float64]:
    """[N] as they are served where no candidate has a bid, of `logits` [2, N] of click and conversion."""
    p_click, p_conversion = torch.sigmoid(logits.double()).numpy()
    return scores(p_click, p_conversion, np.full(len(p_click), np.nan), conversion_weight)


def same_top(found: NDArray[np.float64], before: NDArray[np.float64], offsets: NDArray[np.int64]) -> SameTop:
    """How much of the order by `before` is left in that by `found`, both [N]; candidates of requests by `offsets`."""
    return SameTop(_share(found, before, offsets, TOP), _share(found, before, offsets, 1))


def by_chance(offsets: NDArray[np.int64]) -> float | None:
    """`SameTop.ten` of an order that has nothing to do with the scores: 10 of 12 candidates keep 83 % of any ten."""
    counts = np.diff(offsets)
    larger = counts[counts > TOP]
    return float((TOP / larger).mean()) if len(larger) else None


def _share(found: NDArray[np.float64], before: NDArray[np.float64], offsets: NDArray[np.int64], k: int) -> float | None:
    shares = [
        len(_best(found[begin:end], k) & _best(before[begin:end], k)) / k
        for begin, end in pairwise(offsets.tolist())
        if end - begin > k
    ]
    return float(np.mean(shares)) if shares else None


def _best(score: NDArray[np.float64], k: int) -> set[int]:
    return set(top_k(score, [f"{place:06}" for place in range(len(score))], k))
