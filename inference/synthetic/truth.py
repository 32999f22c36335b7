"""The hidden truth: what items are, what users want, and how likely a click or a conversion is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.synthetic.config import CATEGORIES, WorldConfig
from runtime.ids import ItemId, UserId
from streams.wire.events import FeatureValue

Ints = NDArray[np.int64]
Doubles = NDArray[np.float64]

BRANDS_PER_CATEGORY = 3
NUM_STYLES = 2  # tags an item has: the directions of the space in which it stands out
CLICK_BASE = -4.0
CLICK_SIMILARITY = 6.5  # logit between an item of no relation to the active interest and a perfect one
POSITION_DROP = 0.5  # logit lost per e-fold of the position
SATIATION = 3.0  # logit lost by an item that the user has clicked before
CONVERSION_BASE = -2.4


@dataclass(frozen=True, slots=True)
class Truth:
    """I items and U users in a space of rank r; everything here is hidden from the models but ids and features."""

    item_ids: tuple[ItemId, ...]
    features: tuple[dict[str, FeatureValue], ...]
    category: Ints  # [I]
    vectors: Doubles  # [I, r], length 1
    quality: Doubles  # [I] logit
    price: Doubles  # [I] standardised logarithm
    arrival: Doubles  # [I] share of the log's span at which the item appears
    user_ids: tuple[UserId, ...]
    interests: Doubles  # [U, interests, r], length 1
    interest_category: Ints  # [U, interests]
    bias: Doubles  # [U] logit
    joined: Doubles  # [U] share of the span at which the user appears

    def click_logit(self, users: Ints, active: Ints, items: Ints, positions: Ints, had: NDArray[np.bool_]) -> Doubles:
        """Logit of a click; `users`, `active` [...], `items`, `positions`, `had` (clicked before) [..., S] -> [..., S].

        Having had an item is a fact of one pair: no summary of a user can hold it for every item.
        """
        match = self.similarity(self.interests[users, active], items)
        place = POSITION_DROP * np.log1p(positions)
        wish = CLICK_SIMILARITY * match - SATIATION * had
        return CLICK_BASE + wish + self.quality[items] + self.bias[users][..., None] - place

    def conversion_logit(self, users: Ints, active: Ints, items: Ints) -> Doubles:
        """Logit of a conversion given a click, shapes as in `click_logit`."""
        match = self.similarity(self.interests[users, active], items)
        return CONVERSION_BASE + 1.5 * match + 0.5 * self.quality[items] - 0.5 * self.price[items]

    def similarity(self, vectors: Doubles, items: Ints) -> Doubles:
        """Cosine of `vectors` [..., r] and the items' vectors [..., S, r] -> [..., S]."""
        return np.asarray(np.einsum("...r,...sr->...s", vectors, self.vectors[items]))


def make_truth(config: WorldConfig, rng: np.random.Generator) -> Truth:
    """Draw a world."""
    r, num_items, num_users = config.rank, config.num_items, config.num_users
    centres = _unit(rng.normal(size=(config.num_categories, r)))
    brands = rng.normal(size=(config.num_categories, BRANDS_PER_CATEGORY, r)) * 0.12
    category = rng.permutation(np.arange(num_items) % config.num_categories)
    brand = rng.integers(0, BRANDS_PER_CATEGORY, num_items)
    vectors = _unit(centres[category] + brands[category, brand] + rng.normal(size=(num_items, r)) * 0.15)
    price = rng.normal(size=num_items)
    late = rng.random(num_items) < config.late_items
    interest_category = np.argsort(rng.random((num_users, config.num_categories)))[:, : config.interests_per_user]
    interests = _unit(centres[interest_category] + rng.normal(size=(*interest_category.shape, r)) * 0.15)
    joins_late = rng.random(num_users) < config.late_users
    styles = np.argsort(-np.abs(vectors), axis=1)[:, :NUM_STYLES]
    features: list[dict[str, FeatureValue]] = [
        {
            "category": CATEGORIES[category[i]],
            "brand": f"{CATEGORIES[category[i]]}-{brand[i]}",
            "price": round(float(np.exp(3.0 + 0.7 * price[i])), 2),
            "style": [f"{'low' if vectors[i, s] < 0 else 'high'}-{s}" for s in styles[i]],
        }
        for i in range(num_items)
    ]
    return Truth(
        item_ids=tuple(ItemId(str(i)) for i in range(num_items)),
        features=tuple(features),
        category=category,
        vectors=vectors,
        quality=rng.normal(size=num_items) * 0.5,
        price=price,
        arrival=np.where(late, rng.uniform(0.05, 0.95, num_items), -1.0),
        user_ids=tuple(UserId(str(u)) for u in range(num_users)),
        interests=interests,
        interest_category=interest_category,
        bias=rng.normal(size=num_users) * 0.5,
        joined=np.where(joins_late, rng.uniform(0.0, 0.9, num_users), 0.0),
    )


def sigmoid(x: Doubles) -> Doubles:
    """1 / (1 + exp(-x))."""
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def _unit(x: Doubles) -> Doubles:
    return np.asarray(x / np.linalg.norm(x, axis=-1, keepdims=True))
