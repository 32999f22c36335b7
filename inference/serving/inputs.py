"""Hydrated requests to one batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cache.packed import PackedRows
from inference.forward.inputs import PackedInputs
from inference.manifest import Manifest
from inference.protocol import Tier
from inference.serving.hydration import Hydration

S = TypeVar("S", bound=np.generic)


@dataclass(frozen=True, slots=True)
class ScoreInput:
    """One request on its way to the model; `context` [C] float32."""

    hydration: Hydration
    context: NDArray[np.float32]


def pack_inputs(requests: Sequence[ScoreInput], manifest: Manifest) -> PackedInputs:
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
    return PackedInputs(
        user=user,
        user_mask=user_mask,
        context=np.stack([request.context for request in requests]),
        items=PackedRows.joined([side.cand for side in sides], d),
        pairs=PackedRows.joined([side.pair for side in sides], manifest.pair_width),
        tier=_joined([side.tier for side in sides]),
        age_s=_joined([_age_s(side) for side in sides]),
        cand_to_user=np.repeat(np.arange(b, dtype=np.int32), counts),
        user_offsets=offsets,
    )


def _age_s(side: Hydration) -> NDArray[np.float32]:
    """[N] as `RankInputs` promises it: none where the pair row lacks nothing of what the user did."""
    current = (side.tier == Tier.PAIR) & (side.pair_rev >= side.history_rev)
    behind = ~current & (side.tier != Tier.DEFAULT)
    return np.where(behind, np.maximum(side.pair_age_ms, 1), 0).astype(np.float32) / np.float32(1000)


def _joined(parts: Sequence[NDArray[S]]) -> NDArray[S]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
