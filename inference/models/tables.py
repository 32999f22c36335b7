"""Embedding tables: one interface, plain PyTorch here, torchrec in `torchrec_tables`.

Both hold two tables: `item_ids` (one row per known item id, row 0 for dropped and unknown ids) and `item_features`
(one row per hashed feature token, pooled by mean). Their state dicts have the same names, so that what one trained the
other serves. Serving uses the plain twin: importing torchrec takes seconds.
"""

from typing import Literal

import torch
from torch import nn

TablesKind = Literal["plain", "torchrec"]
# Features start larger than ids: at first items are alike as far as their features are, and ids learn the difference.
INITIAL_DEVIATION = {"item_ids": 0.02, "item_features": 0.3}


class Tables(nn.Module):
    """What the models ask of embedding tables of width D."""

    def items(self, index: torch.Tensor) -> torch.Tensor:
        """Rows of item ids: `index` int64 of any shape [...] -> [..., D]."""
        raise NotImplementedError

    def features(self, tokens: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        """Mean of each bag's rows: `tokens` [sum] and `offsets` [N + 1] int64 -> [N, D]; an empty bag is zeros."""
        raise NotImplementedError


class PlainTables(Tables):
    """The twin in plain PyTorch; module names follow torchrec's."""

    def __init__(self, num_items: int, num_buckets: int, width: int) -> None:
        super().__init__()
        self.rows = _Rows(num_items, width)
        self.bags = _Bags(num_buckets, width)
        initialise(self)

    def items(self, index: torch.Tensor) -> torch.Tensor:
        rows: torch.Tensor = self.rows.embeddings["item_ids"](index)
        return rows

    def features(self, tokens: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        pooled: torch.Tensor = self.bags.embedding_bags["item_features"](tokens, offsets)
        return pooled


class _Rows(nn.Module):
    def __init__(self, num_rows: int, width: int) -> None:
        super().__init__()
        self.embeddings = nn.ModuleDict({"item_ids": nn.Embedding(num_rows, width)})


class _Bags(nn.Module):
    def __init__(self, num_rows: int, width: int) -> None:
        super().__init__()
        bag = nn.EmbeddingBag(num_rows, width, mode="mean", include_last_offset=True)
        self.embedding_bags = nn.ModuleDict({"item_features": bag})


def make_tables(kind: TablesKind, num_items: int, num_buckets: int, width: int) -> Tables:
    """Build tables; torchrec is imported only when asked for."""
    if kind == "plain":
        return PlainTables(num_items, num_buckets, width)
    from inference.models.torchrec_tables import TorchrecTables

    return TorchrecTables(num_items, num_buckets, width)


def initialise(tables: nn.Module) -> None:
    """Small normal values for every table."""
    with torch.no_grad():
        for name, parameter in tables.named_parameters():
            parameter.normal_(0.0, INITIAL_DEVIATION[name.split(".")[-2]])
