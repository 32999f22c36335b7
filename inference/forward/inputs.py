"""What the forward pass is given: a batch whose item and pair rows are still as the store holds them."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cache.packed import PackedRows
from cache.quantise import RowDtype
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
        return RankInputs(
            user=torch.from_numpy(self.user),
            user_mask=torch.from_numpy(self.user_mask),
            context=torch.from_numpy(self.context),
            cand=_values(self.items),
            cand_mask=torch.from_numpy(self.items.slot >= 0),
            pair=_values(self.pairs),
            tier=torch.from_numpy(self.tier),
            age_s=torch.from_numpy(self.age_s),
            cand_to_user=torch.from_numpy(self.cand_to_user),
            user_offsets=torch.from_numpy(self.user_offsets),
        )


def _values(rows: PackedRows) -> torch.Tensor:
    """As `rows.values()`: PyTorch widens half floats many times as fast as numpy."""
    if rows.dtype is not RowDtype.FP16 or not len(rows.staging):
        return torch.from_numpy(rows.values())
    num_rows = len(rows.staging)
    halves = np.zeros((num_rows + 1, rows.width), np.float16)  # the last one for those that have none
    halves[:-1] = rows.stored()[:, : 2 * rows.width].view(np.float16)
    values = torch.from_numpy(halves).float()
    if rows.in_order:
        return values[:-1]
    return values.index_select(0, torch.from_numpy(np.where(rows.slot < 0, np.int32(num_rows), rows.slot)))
