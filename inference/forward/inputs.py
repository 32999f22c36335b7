"""What the forward pass is given: a batch whose item and pair rows are still as the store holds them."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cache.packed import PackedRows
from inference.protocol import RankInputs


@dataclass(frozen=True, slots=True)
class PackedInputs:
    """`RankInputs` on the host before its rows are decoded; a candidate has an item row or `items` has none for it.

    Rows of another dtype than FP16 are rounded to it on their way to the device.
    """

    user: NDArray[np.float32]  # [B, T, D]
    user_mask: NDArray[np.bool_]  # [B, T]
    context: NDArray[np.float32]  # [B, C]
    items: PackedRows  # [N, D]
    pairs: PackedRows  # [N, P]
    tier: NDArray[np.int32]  # [N]
    age_s: NDArray[np.float32]  # [N]
    cand_to_user: NDArray[np.int32]  # [N]
    user_offsets: NDArray[np.int32]  # [B + 1]

    @property
    def num_requests(self) -> int:
        return len(self.user)

    @property
    def num_candidates(self) -> int:
        return len(self.tier)

    @classmethod
    def of(cls, inputs: RankInputs) -> "PackedInputs":
        """A batch of floats on the CPU, its rows rounded to half floats."""
        found: NDArray[np.bool_] = inputs.cand_mask.numpy()
        return cls(
            user=inputs.user.numpy(),
            user_mask=inputs.user_mask.numpy(),
            context=inputs.context.numpy(),
            items=PackedRows.of_values(inputs.cand.numpy()).only_where(found),
            pairs=PackedRows.of_values(inputs.pair.numpy()),
            tier=inputs.tier.numpy(),
            age_s=inputs.age_s.numpy(),
            cand_to_user=inputs.cand_to_user.numpy(),
            user_offsets=inputs.user_offsets.numpy(),
        )

    def decoded(self) -> RankInputs:
        """The same with float32 rows, on the CPU."""
        arrays = (
            self.user, self.user_mask, self.context, self.items.values(), self.items.slot >= 0, self.pairs.values(),
            self.tier, self.age_s, self.cand_to_user, self.user_offsets,
        )  # fmt: skip
        return RankInputs(*map(torch.from_numpy, arrays))
