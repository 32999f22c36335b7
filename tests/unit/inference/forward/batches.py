"""Batches of random inputs, ragged over requests."""

from collections.abc import Sequence

import torch

from inference.forward.arena import InputWidths
from inference.protocol import NUM_TIERS, RankInputs

WIDTHS = InputWidths(user_tokens=4, item_width=16, pair_width=8, context_width=4)


def batch(counts: Sequence[int], seed: int = 0, widths: InputWidths = WIDTHS) -> RankInputs:
    """One request for every count, with so many candidates."""
    generator = torch.Generator().manual_seed(seed)
    b, n = len(counts), sum(counts)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator).half().float()  # as the store has them

    numbers, cand_mask = torch.tensor(counts, dtype=torch.int64), normal(n) > -1
    inputs = RankInputs(
        user=normal(b, widths.user_tokens, widths.item_width),
        user_mask=normal(b, widths.user_tokens) > 0,
        context=normal(b, widths.context_width),
        cand=normal(n, widths.item_width) * cand_mask[:, None],
        cand_mask=cand_mask,
        pair=normal(n, widths.pair_width),
        tier=torch.randint(NUM_TIERS, (n,), generator=generator, dtype=torch.int32),
        age_s=torch.rand(n, generator=generator) * 1000,
        cand_to_user=torch.repeat_interleave(torch.arange(b), numbers).to(torch.int32),
        user_offsets=torch.cat([torch.zeros(1, dtype=torch.int64), numbers.cumsum(0)]).to(torch.int32),
    )
    inputs.check()
    return inputs
