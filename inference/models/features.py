"""Item features as the models read them: tokens of one unified table, and standardised numbers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from inference.models.hashing import token_id

MAX_TOKENS = 32  # of one item; an item with hundreds of tags is cut, not refused
MAX_DEVIATIONS = 4.0  # a standardised number is cut here, so that one absurd price does not saturate a tower


@dataclass(frozen=True, slots=True)
class NumericFeature:
    """How one number is standardised: (value - mean) / scale."""

    name: str
    mean: float
    scale: float


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """The feature names that a release knows; all others are ignored."""

    token_names: tuple[str, ...]
    numerics: tuple[NumericFeature, ...]
    num_buckets: int


@dataclass(frozen=True, slots=True)
class ItemFeatures:
    """Features of N items: a bag of tokens each, and F numbers with F presence flags."""

    tokens: torch.Tensor  # [sum of bags] int64
    offsets: torch.Tensor  # [N + 1] int64
    numbers: torch.Tensor  # [N, 2 F] float32


def fit_spec(items: Sequence[Mapping[str, object]], num_buckets: int) -> FeatureSpec:
    """Learn which names are numbers and which are tokens, and the numbers' mean and deviation, from known items."""
    numbers: dict[str, list[float]] = {}
    tokens: set[str] = set()
    for features in items:
        for name, value in features.items():
            number = _number(value)
            if number is not None:
                numbers.setdefault(name, []).append(number)
            elif isinstance(value, str | list):
                tokens.add(name)
    numerics = [NumericFeature(n, float(np.mean(v)), float(np.std(v)) or 1.0) for n, v in sorted(numbers.items())]
    return FeatureSpec(tuple(sorted(tokens)), tuple(numerics), num_buckets)


def encode_features(spec: FeatureSpec, items: Sequence[Mapping[str, object]]) -> ItemFeatures:
    """Encode N items' features; values of the wrong type, unknown names and non-finite numbers are ignored."""
    names = frozenset(spec.token_names)
    tokens: list[int] = []
    offsets = np.zeros(len(items) + 1, dtype=np.int64)
    numbers = np.zeros((len(items), 2, len(spec.numerics)), dtype=np.float32)
    for row, features in enumerate(items):
        bag: list[int] = []
        for name in sorted(names.intersection(features)):
            bag.extend(token_id(name, value, spec.num_buckets) for value in _words(features[name]))
        tokens.extend(bag[:MAX_TOKENS])
        offsets[row + 1] = len(tokens)
        for column, numeric in enumerate(spec.numerics):
            number = _number(features.get(numeric.name))
            if number is not None:
                deviation = (number - numeric.mean) / numeric.scale
                numbers[row, :, column] = min(max(deviation, -MAX_DEVIATIONS), MAX_DEVIATIONS), 1.0
    return ItemFeatures(
        torch.tensor(tokens, dtype=torch.int64),
        torch.from_numpy(offsets),
        torch.from_numpy(numbers.reshape(len(items), -1)),
    )


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def _words(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [word for word in value if isinstance(word, str)]
    return []
