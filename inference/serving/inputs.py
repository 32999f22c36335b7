"""Hydrated requests to one `RankInputs`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from inference.manifest import Manifest
from inference.protocol import RankInputs, Tier
from inference.serving.hydration import Hydration


@dataclass(frozen=True, slots=True)
class ScoreInput:
    """One request on its way to the model; `context` [C] float32."""

    hydration: Hydration
    context: NDArray[np.float32]


def build_inputs(requests: Sequence[ScoreInput], manifest: Manifest) -> RankInputs:
    """The batch of these requests, in their order. One request alone is handed over without a copy."""
    sides = [request.hydration for request in requests]
    b, t, d = len(requests), manifest.user_tokens, manifest.item_width
    user, user_mask = np.zeros((b, t, d), np.float32), np.zeros((b, t), np.bool_)
    for index, side in enumerate(sides):
        if side.user.values is not None:
            user[index], user_mask[index] = side.user.values, True
    counts = [len(side.tier) for side in sides]
    offsets = np.zeros(b + 1, np.int32)
    np.cumsum(counts, out=offsets[1:])
    arrays = (
        user,
        user_mask,
        np.stack([request.context for request in requests]),
        _joined([side.cand.values() for side in sides]),
        _joined([side.cand_mask for side in sides]),
        _joined([side.pair.values() for side in sides]),
        _joined([side.tier for side in sides]),
        _joined([_age_s(side) for side in sides]),
        np.repeat(np.arange(b, dtype=np.int32), counts),
        offsets,
    )
    return RankInputs(*map(torch.from_numpy, arrays))


def _age_s(side: Hydration) -> NDArray[np.float32]:
    """[N] as `RankInputs` promises it: none where the pair row lacks nothing of what the user did."""
    current = (side.tier == Tier.PAIR) & (side.pair_rev >= side.history_rev)
    behind = ~current & (side.tier != Tier.DEFAULT)
    return np.where(behind, np.maximum(side.pair_age_ms, 1), 0).astype(np.float32) / np.float32(1000)


def _joined(parts: Sequence[NDArray[np.generic]]) -> NDArray[np.generic]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
