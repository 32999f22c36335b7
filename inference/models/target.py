"""Target attention without competition: how much of each stretch of a history is like the candidate.

Softmax attention says which event is most alike, but not how often the like happened; here each event is judged by
itself and the judgements are averaged over stretches of the history, from the newest event to all of it. It needs the
raw events and the candidate together, so it cannot be summarised into a user row beforehand.
"""

import torch
from torch import nn

from inference.models.blocks import MASKED, START_RANK, split_heads

NUM_STRETCHES = 8


class TargetCounts(nn.Module):
    """Per head and stretch, the mean of a learned likeness of candidate and events, and if the item is the same."""

    def __init__(self, width: int, num_heads: int, num_keys: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        nn.init.orthogonal_(self.query.weight)
        with torch.no_grad():
            self.key.weight.copy_(self.query.weight)
        self.steepness = nn.Parameter(torch.full((num_heads,), 1.0))
        self.threshold = nn.Parameter(torch.linspace(0.5, 2.5, num_heads))
        slopes = torch.logspace(-2.5, 0.3, NUM_STRETCHES)
        ranks = torch.cat([torch.tensor([START_RANK]), torch.arange(num_keys - 1.0)])
        self.rank_bias = nn.Parameter(-slopes[:, None] * ranks)

    @property
    def width_out(self) -> int:
        return (self.num_heads + 1) * NUM_STRETCHES + 1

    def forward(
        self, candidates: torch.Tensor, events: torch.Tensor, mask: torch.Tensor, same: torch.Tensor
    ) -> torch.Tensor:
        """`candidates` [B, K, D], `events` [B, L, D], `mask` [B, L] bool, `same` [B, K, L] float -> [B, K, width_out].

        `same` is 1 where the event's item is the candidate.
        """
        q = split_heads(self.query(candidates), self.num_heads)
        k = split_heads(self.key(events), self.num_heads)
        likeness = q @ k.transpose(2, 3) * q.shape[-1] ** -0.5  # [B, H, K, L]
        alike = torch.sigmoid((likeness - self.threshold[:, None, None]) * self.steepness[:, None, None])
        bias = torch.where(mask[:, None, :], self.rank_bias[:, : events.shape[1]].clamp(min=-30.0), MASKED)
        stretches = torch.softmax(bias, dim=-1)  # [B, J, L]
        counts = alike @ stretches[:, None].transpose(2, 3)  # [B, H, K, J]
        again = same @ stretches.transpose(1, 2)  # [B, K, J]
        ever = same.amax(dim=2, keepdim=True)
        return torch.cat([counts.permute(0, 2, 1, 3).flatten(2), again, ever], dim=-1)
