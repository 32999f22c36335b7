"""Requests of different numbers of candidates, as the ops take them."""

from collections.abc import Sequence

import torch


def candidate_index(counts: Sequence[int], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """`cand_to_user` [N] int32 and `user_offsets` [B + 1] int32 of requests with so many candidates each."""
    numbers = torch.tensor(counts, dtype=torch.int64)
    index = torch.repeat_interleave(torch.arange(len(counts)), numbers).to(torch.int32)
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), numbers.cumsum(0)]).to(torch.int32)
    return index.to(device), offsets.to(device)
