"""The logging policy: what the imagined old ranker showed, with the probability that it did."""

import numpy as np
from numpy.typing import NDArray

from inference.synthetic.truth import Doubles, Ints

RECENCY_WEIGHT = 1.2  # how strongly the old ranker followed the user's recent clicks
GUESS_WEIGHT = 0.4  # and its own noisy guess of the items' quality


def policy_scores(taste: Doubles, vectors: Doubles, guess: Doubles, live: NDArray[np.bool_]) -> Doubles:
    """Unnormalised weight of each item: `taste` [B, r], `vectors` [I, r], `guess` [I], `live` [B, I] -> [B, I]."""
    return np.where(live, np.exp(RECENCY_WEIGHT * taste @ vectors.T + GUESS_WEIGHT * guess), 0.0)


def draw_slates(
    weights: Doubles, num_slots: int, uniform_share: float, rng: np.random.Generator
) -> tuple[Ints, NDArray[np.bool_], Doubles]:
    """Fill slots one by one without repetition, by weight, or by chance in `uniform_share` of the slots.

    `weights` [B, I], 0 for what cannot be shown -> items [B, S], whether by chance [B, S], and the probability with
    which this item came to this slot given the slots before it [B, S].
    """
    b = len(weights)
    left = weights.copy()
    rows = np.arange(b)
    items = np.zeros((b, num_slots), dtype=np.int64)
    propensity = np.zeros((b, num_slots))
    uniform = rng.random((b, num_slots)) < uniform_share
    for slot in range(num_slots):
        possible = left > 0
        chance = possible / possible.sum(1, keepdims=True)
        chosen = left / left.sum(1, keepdims=True)
        cumulative = np.cumsum(np.where(uniform[:, slot, None], chance, chosen), axis=1)
        drawn = (cumulative < rng.random((b, 1)) * cumulative[:, -1:]).sum(1)
        items[:, slot] = drawn
        propensity[:, slot] = uniform_share * chance[rows, drawn] + (1 - uniform_share) * chosen[rows, drawn]
        left[rows, drawn] = 0.0
    return items, uniform, propensity
