"""Slots of a slate that are filled by chance, so that a later release can be judged on what no model chose.

Each slot is explored with a fixed probability, independent of everything; an explored slot takes a uniformly drawn one
of the candidates that are not placed yet, every other slot the best of them. All draws follow from a seed, so that a
request that is asked again is answered with the same slots.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Slots:
    """What stands in each slot: the candidate's index, whether chance put it there, and with which probability this
    candidate came to this slot given the slots before it."""

    chosen: list[int]
    explored: list[bool]
    propensity: list[float]


def greedy(ranked: list[int]) -> Slots:
    """The best first, and nothing by chance."""
    return Slots(ranked, [False] * len(ranked), [1.0] * len(ranked))


def explore(ranked: list[int], item_ids: Sequence[str], known: NDArray[np.bool_], share: float, seed: str) -> Slots:
    """The slots of `ranked` (the best of N candidates, best first), each explored with probability `share`.

    Chance places only the `known` [N] candidates, all of which must rank before all others: whoever is gone stays
    behind them. The same for any order of the candidates.
    """
    num_known, num_slots = int(known.sum()), len(ranked)
    num_open = min(num_slots, num_known)
    if share <= 0 or num_open == 0:
        return greedy(ranked)
    rng = random.Random(seed)  # of text: by SHA-512, so the same in every process
    explored = [rng.random() < share for _ in range(num_open)] + [False] * (num_slots - num_open)
    # The beginning of a random order of the known. What is still to come of it is in random order whatever was placed,
    # so that the next one in it that is not placed is a uniform draw of all that are not.
    drawn = iter(rng.sample(_by_id(item_ids, known), num_open) if any(explored) else [])
    best, propensity = iter(ranked), [1.0] * num_slots
    top = next(best)
    placed: dict[int, None] = {}  # in the order of the slots
    for slot in range(num_slots):
        while top in placed:
            top = next(best)
        index = next(one for one in drawn if one not in placed) if explored[slot] else top
        if slot < num_open:
            propensity[slot] = share / (num_known - slot) + (1 - share) * (index == top)
        placed[index] = None
    return Slots(list(placed), explored, propensity)


def _by_id(item_ids: Sequence[str], known: NDArray[np.bool_]) -> list[int]:
    return sorted(np.flatnonzero(known).tolist(), key=item_ids.__getitem__)
