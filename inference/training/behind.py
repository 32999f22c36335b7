"""Histories that lack what the user did last: what a pair row was computed from when the user went on meanwhile."""

import numpy as np

from inference.manifest import PAIR_TTL_MS
from inference.training.dataset import Dataset, Floats, Ints, history_ranges

NUM_LACKING = (1, 2, 3, 5, 8)  # newest events that a row may lack, and how often it is so many
LACKING_SHARES = (0.3, 0.25, 0.2, 0.15, 0.1)


def draw_lacking(num_requests: int, rng: np.random.Generator) -> Ints:
    """How many of the newest events the history of each request shall lack, [R]."""
    return rng.choice(np.array(NUM_LACKING), num_requests, p=LACKING_SHARES)


def cut_before(data: Dataset, lacking: Ints) -> Ints:
    """When [R] each history has to end, in ms, to lack the newest `lacking` [R] events.

    A row older than its life is not served, so no cut lies further back than that: where the user did nothing in that
    time the history is whole.
    """
    everything = max(len(data.event_user), 1)
    _, end = history_ranges(data, everything)
    _, end_then = history_ranges(data, everything, data.request_time_ms - PAIR_TTL_MS + 1)
    lacking = np.minimum(lacking, end - end_then)
    if not len(data.event_user):
        return data.request_time_ms
    first_lacking = data.event_time_ms[np.minimum(end - lacking, len(data.event_user) - 1)]
    return np.where(lacking > 0, first_lacking, data.request_time_ms)


def ages_s(data: Dataset, cut_ms: Ints) -> Floats:
    """Age [R] of rows from histories that end at `cut_ms` [R], as the ranker is told it: 0 where they lack nothing."""
    everything = max(len(data.event_user), 1)
    (_, end), (_, end_then) = history_ranges(data, everything), history_ranges(data, everything, cut_ms)
    return np.where(end_then < end, (data.request_time_ms - cut_ms) / 1000, 0.0).astype(np.float32)
