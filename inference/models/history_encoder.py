"""A behaviour history as tensors, and as embeddings."""

from dataclasses import dataclass

import torch
from torch import nn

KINDS = ("other", "click", "conversion", "rating")  # index 0 stands for kinds that a release does not know
KIND_INDEX = {kind: index for index, kind in enumerate(KINDS)}
NUM_AGE_BUCKETS = 32  # powers of two of seconds: the last one is beyond any lifetime


@dataclass(frozen=True, slots=True)
class HistoryBatch:
    """B histories, newest event first, padded at the end; times count back from the history's own newest event."""

    items: torch.Tensor  # [B, L] int64, index of the item, 0 unknown
    kinds: torch.Tensor  # [B, L] int64, index into KINDS
    values: torch.Tensor  # [B, L] float32, standardised
    ages_s: torch.Tensor  # [B, L] float32, seconds before as_of
    mask: torch.Tensor  # [B, L] bool, false for padding

    def crop(self, length: int) -> "HistoryBatch":
        """The newest `length` events of each history."""
        return HistoryBatch(*(getattr(self, name)[:, :length] for name in self.__slots__))


class HistoryEncoder(nn.Module):
    """Item, kind, value and time of each event, behind one learned token that stands before every history.

    The extra token makes an empty history a case like any other: attention always has one valid key.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.kinds = nn.Embedding(len(KINDS), width)
        self.ages = nn.Embedding(NUM_AGE_BUCKETS, width)
        self.scalars = nn.Linear(3, width)
        self.start = nn.Parameter(torch.zeros(width))
        self.norm = nn.LayerNorm(width)
        for table in (self.kinds, self.ages):
            nn.init.normal_(table.weight, 0.0, 0.02)
        nn.init.normal_(self.start, 0.0, 0.5)

    def forward(self, batch: HistoryBatch, items: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """`items` [B, L, D] embeddings of the events' items -> [B, 1 + L, D] and its mask [B, 1 + L]."""
        log_age = torch.log2(batch.ages_s.clamp(min=0.0) + 1.0)
        gap = torch.diff(batch.ages_s, dim=1, prepend=batch.ages_s[:, :1]).clamp(min=0.0)
        scalars = torch.stack([batch.values, log_age / NUM_AGE_BUCKETS, torch.log2(gap + 1.0) / NUM_AGE_BUCKETS], -1)
        bucket = log_age.long().clamp(max=NUM_AGE_BUCKETS - 1)
        events = self.norm(items + self.kinds(batch.kinds) + self.ages(bucket) + self.scalars(scalars))
        start = self.start.expand(events.shape[0], 1, -1)
        mask = torch.cat([batch.mask.new_ones(batch.mask.shape[0], 1), batch.mask], dim=1)
        return torch.cat([start, events], dim=1), mask
