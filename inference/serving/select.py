"""The slate: the k best by score, ties by item id, the same on every run."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def scores(
    p_click: NDArray[np.float64], p_conversion: NDArray[np.float64], bids: NDArray[np.float64], conversion_weight: float
) -> NDArray[np.float64]:
    """(bid or 1) x p_click x (1 + w x p_conversion), all [N]; `bids` is NaN where there is none."""
    return np.where(np.isnan(bids), 1.0, bids) * p_click * (1.0 + conversion_weight * p_conversion)


def demoted(score: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """What to order by: `score` [N], with all candidates that are not `known` [N] below all that are.

    An item without a row is scored by the learned default item, which knows how often one is clicked that nobody chose:
    right where the row is not computed yet, but no reason to put a deleted or mistyped id above what exists.
    """
    if known.all() or not known.any():
        return score
    return np.where(known, score, score - (score.max() - score.min() + 1.0))


def top_k(score: NDArray[np.float64], item_ids: Sequence[str], k: int) -> list[int]:
    """Indices of the k best, best first; equal scores in the order of their ids."""
    if k < len(score):
        kth = np.partition(score, len(score) - k)[len(score) - k]
        chosen: list[int] = np.flatnonzero(score >= kth).tolist()
    else:
        chosen = list(range(len(score)))
    values = score.tolist()
    chosen.sort(key=lambda index: (-values[index], item_ids[index]))
    return chosen[:k]
