"""The request's own features: surface and context, hashed into C numbers. They never enter a stored row."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from inference.models.hashing import hash64


def encode_context(
    surface: str | None, context: Mapping[str, str | float | int | bool] | None, width: int
) -> NDArray[np.float32]:
    """[C] float32: each `name=value` adds or takes 1 in the slot of its hash, a number its squashed size."""
    slots = np.zeros(width, dtype=np.float32)
    fields: dict[str, str | float | int | bool] = dict(context or {})
    if surface is not None:
        fields["surface"] = surface
    for name, value in fields.items():
        if isinstance(value, str | bool):
            text, size = f"{name}={value}", 1.0
        else:
            text, size = name, math.tanh(value) if math.isfinite(value) else 0.0
        code = hash64(text)
        slots[code % width] += size if code >= 0 else -size
    return slots
