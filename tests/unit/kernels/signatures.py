"""Candidates and ragged histories with signatures, and the pairwise definition that every op over them is held to."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from tests.unit.kernels.ragged import candidate_index


@dataclass(frozen=True, slots=True)
class Signatures:
    """N candidates `a`, T behaviours `b`; few enough bits differ that all distances near the middle occur twice."""

    a: torch.Tensor  # [N, W] int32
    b: torch.Tensor  # [T, W] int32
    cand_to_user: torch.Tensor  # [N] int32
    kv_offsets: torch.Tensor  # [B + 1] int32

    def args(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        return self.a, self.b, self.cand_to_user, self.kv_offsets

    def distances(self) -> list[torch.Tensor]:
        """For each candidate the distances [L] int64 to its user's behaviours, bit by bit."""
        ends = self.kv_offsets.tolist()
        found = []
        for row, user in enumerate(self.cand_to_user.tolist()):
            history = self.b[ends[user] : ends[user + 1]].cpu()
            different = history ^ self.a[row].cpu()
            found.append(sum(((different >> bit) & 1).long().sum(1) for bit in range(32)))
        return found  # type: ignore[return-value]


def random_words(n: int, words: int, generator: torch.Generator) -> torch.Tensor:
    """Words [n, words] int32 of all bit patterns, the sign bit among them."""
    return torch.randint(-(2**31), 2**31, (n, words), generator=generator, dtype=torch.int64).to(torch.int32)


def signatures(
    counts: Sequence[int], lengths: Sequence[int], words: int, device: torch.device, seed: int = 0
) -> Signatures:
    """Users with so many candidates and so long histories."""
    generator = torch.Generator().manual_seed(seed)
    cand_to_user, _ = candidate_index(counts, device)
    _, kv_offsets = candidate_index(lengths, device)
    a = random_words(sum(counts), words, generator).to(device)
    b = random_words(sum(lengths), words, generator).to(device)
    return Signatures(a, b, cand_to_user, kv_offsets)


# Candidates and history lengths of each user: one request, ragged, empty histories, requests without candidates.
SPLITS = [([21], [45]), ([3, 0, 18, 1], [7, 5, 0, 40]), ([1] * 5, [9] * 5), ([17, 2], [0, 0]), ([0, 4], [3, 33])]
