"""Ratings as request rows: which of these items did the user rate next?

Each rating is a request whose candidates are the item itself and negatives drawn from popularity^0.75 up to that
moment, never from what the user has rated before. Training rows have 4 negatives; later rows 19, weighted back to 4,
so that rates and log losses compare. There are no impressions here: nothing says what was shown and not chosen.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from inference.history import MAX_DEVIATIONS, ValueScale
from inference.models.history_encoder import KIND_INDEX
from inference.training.dataset import Dataset, Ints
from runtime.ids import ItemId
from streams.wire.events import FeatureValue
from streams.wire.movietweetings import Rating

TRAIN_NEGATIVES = 4
TEST_NEGATIVES = 19
POPULARITY_POWER = 0.75
WARM_UP_SHARE = 0.05  # of the ratings: they only build popularity and histories


def next_item_dataset(
    ratings: Sequence[Rating],
    movies: Mapping[ItemId, Mapping[str, FeatureValue]],
    context_width: int,
    train_share: float,
    seed: int = 0,
) -> Dataset:
    """Request rows of `ratings` in time order; requests after `train_share` of them have the larger sample."""
    names = list(dict.fromkeys([*movies, *(rating.item_id for rating in ratings)]))
    number = {item: at for at, item in enumerate(names)}
    users = {user: at for at, user in enumerate(dict.fromkeys(rating.user_id for rating in ratings))}
    item = np.array([number[rating.item_id] for rating in ratings], dtype=np.int64)
    user = np.array([users[rating.user_id] for rating in ratings], dtype=np.int64)
    times = np.array([rating.time_ms for rating in ratings], dtype=np.int64)
    values = np.array([rating.value for rating in ratings], dtype=np.float64)

    first = int(len(ratings) * WARM_UP_SHARE)
    later = first + int((len(ratings) - first) * train_share)
    known = values[: max(later, 1)]
    scale = ValueScale(float(known.mean()), float(known.std()) or 1.0)
    asked = np.arange(first, len(ratings))
    counts = np.where(asked < later, TRAIN_NEGATIVES, TEST_NEGATIVES)
    offsets = np.concatenate([[0], np.cumsum(counts + 1)])
    candidates = _candidates(item, user, first, counts, len(names), np.random.default_rng(seed))
    positive = np.zeros(len(candidates), dtype=bool)
    positive[offsets[:-1]] = True
    weight = np.where(positive, 1.0, np.repeat(TRAIN_NEGATIVES / counts, counts + 1)).astype(np.float32)
    unknown = np.full(len(candidates), np.nan, dtype=np.float32)
    return Dataset(
        items={name: movies.get(name, {}) for name in names},
        event_user=user,
        event_item=item,
        event_kind=np.full(len(ratings), KIND_INDEX["rating"]),
        event_value=np.clip((values - scale.mean) / scale.scale, -MAX_DEVIATIONS, MAX_DEVIATIONS).astype(np.float32),
        event_time_ms=times,
        request_user=user[first:],
        request_time_ms=times[first:],
        request_context=np.zeros((len(asked), context_width), dtype=np.float32),
        offsets=offsets,
        cand_item=candidates,
        cand_position=np.zeros(len(candidates), dtype=np.int64),
        clicked=positive.astype(np.float32),
        converted=np.zeros(len(candidates), dtype=np.float32),
        conversion_known=np.zeros(len(candidates), dtype=bool),
        uniform=np.zeros(len(candidates), dtype=bool),
        weight=weight,
        propensity=unknown,
        oracle=unknown,
        values=scale,
    ).sorted_by_time()


def _candidates(item: Ints, user: Ints, first: int, counts: Ints, num_items: int, rng: np.random.Generator) -> Ints:
    """The item of each rating from `first` on and its negatives, one after the other."""
    popularity = np.zeros(num_items)
    rated: dict[int, set[int]] = {}
    for at in range(first):
        popularity[item[at]] += 1
        rated.setdefault(int(user[at]), set()).add(int(item[at]))
    chosen: list[NDArray[np.int64]] = []
    cumulative = np.zeros(num_items)
    for at, count in zip(range(first, len(item)), counts, strict=True):
        if (at - first) % REFRESH_EVERY == 0:
            cumulative = np.cumsum(popularity**POPULARITY_POWER)
        seen = rated.setdefault(int(user[at]), set())
        seen.add(int(item[at]))
        chosen.append(item[at : at + 1])
        chosen.append(_negatives(cumulative, seen, int(count), rng))
        popularity[item[at]] += 1
    return np.concatenate(chosen)


REFRESH_EVERY = 100  # ratings; popularity hardly moves in between
MAX_DRAWS = 20


def _negatives(
    cumulative: NDArray[np.float64], seen: set[int], count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    found: list[int] = []
    for _ in range(MAX_DRAWS):
        total = cumulative[-1]
        drawn = np.searchsorted(cumulative, rng.random(2 * count) * total, side="right") if total > 0 else []
        found += [int(one) for one in drawn if int(one) not in seen]
        if len(found) >= count:
            return np.array(found[:count], dtype=np.int64)
    # So few items, or a user who has rated nearly all popular ones: any item will do.
    return np.concatenate([np.array(found, dtype=np.int64), rng.integers(0, len(cumulative), count - len(found))])
