"""The item side: what is known of an item -> its row of width D, computed when the item or the model changes."""

import torch
from torch import nn

from inference.models.blocks import start_at_zero
from inference.models.features import ItemFeatures
from inference.models.tables import Tables


class ItemEncoder(nn.Module):
    """The tables and the numbers of items; `num_numbers` is the width of `ItemFeatures.numbers`."""

    def __init__(self, tables: Tables, num_numbers: int, width: int) -> None:
        super().__init__()
        self.tables = tables
        self.numbers = nn.Linear(num_numbers, width) if num_numbers else None
        if self.numbers is not None:  # else a price would make items more alike than a category does
            nn.init.normal_(self.numbers.weight, 0.0, 0.02)
            nn.init.zeros_(self.numbers.bias)

    def ids(self, index: torch.Tensor) -> torch.Tensor:
        """`index` int64 [...] (0: dropped or unknown id) -> [..., D]."""
        return self.tables.items(index)

    def features(self, features: ItemFeatures) -> torch.Tensor:
        """Features of N items -> [N, D]."""
        pooled = self.tables.features(features.tokens, features.offsets)
        return pooled if self.numbers is None else pooled + self.numbers(features.numbers)


class ItemTower(nn.Module):
    """Id and features of an item -> its stored row."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm_in = nn.LayerNorm(2 * width)
        self.hidden = nn.Sequential(nn.Linear(2 * width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))
        start_at_zero(self.hidden)
        self.norm_out = nn.LayerNorm(width)

    def forward(self, ids: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """`ids`, `features` [..., D] -> rows [..., D], normalised so that a quantised row keeps its precision."""
        both = self.norm_in(torch.cat([ids, features], dim=-1))
        row: torch.Tensor = self.norm_out(ids + features + self.hidden(both))
        return row
