"""Everything of one release that has weights: it is trained, saved and loaded as one module, under one version."""

from collections.abc import Sequence

import torch
from torch import nn

from inference.models.catalogue import Catalogue
from inference.models.foundation import FoundationModel
from inference.models.history_encoder import HistoryBatch
from inference.models.item_tower import ItemEncoder, ItemTower
from inference.models.ranker import VARIANTS, Ranker
from inference.models.sizes import Sizes
from inference.models.tables import TablesKind, make_tables
from inference.models.user_tower import UserTower

MAX_POSITIONS = 64


class Positions(nn.Module):
    """What a position in the slate adds to the logit of a click; the first adds nothing, by definition.

    Used in training and evaluation only: a served probability is that of the first position.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(MAX_POSITIONS))

    def forward(self, position: torch.Tensor) -> torch.Tensor:
        """`position` int64 of any shape -> logits of that shape."""
        place = position.clamp(max=MAX_POSITIONS - 1)
        return self.bias[place] - self.bias[0]


class Bundle(nn.Module):
    """Item and user tower, foundation model with its own tables, projector, and all ranker variants."""

    def __init__(
        self,
        sizes: Sizes,
        catalogue: Catalogue,
        variants: Sequence[str] = tuple(VARIANTS),
        tables: TablesKind = "plain",
    ) -> None:
        super().__init__()
        num_items, width = catalogue.num_items, sizes.item_width
        num_numbers = catalogue.numbers.shape[1]
        self.sizes = sizes
        self.catalogue = catalogue
        self.items = ItemEncoder(make_tables(tables, num_items, sizes.num_feature_buckets, width), num_numbers, width)
        self.item_tower = ItemTower(width)
        self.user_tower = UserTower(sizes)
        self.rankers = nn.ModuleDict({name: Ranker(sizes, VARIANTS[name]) for name in variants})
        self.positions = Positions()
        self.foundation_items = ItemEncoder(
            make_tables(tables, num_items, sizes.num_feature_buckets, width), num_numbers, width
        )
        self.foundation = FoundationModel(sizes)
        self.foundation_positions = Positions()

    def ranker(self, variant: str) -> Ranker:
        """The ranker of this name; ValueError if there is none."""
        if variant not in self.rankers:
            raise ValueError(f"variant {variant!r} is not one of {', '.join(self.rankers)}")
        ranker = self.rankers[variant]
        assert isinstance(ranker, Ranker)
        return ranker

    def known_items(self, encoder: ItemEncoder) -> tuple[torch.Tensor, torch.Tensor]:
        """Id rows and feature rows of the whole catalogue, row 0 first, each [I + 1, D]."""
        index = torch.arange(self.catalogue.num_items)
        return encoder.ids(index), encoder.features(self.catalogue.features)

    def user_tokens(self, batch: HistoryBatch, table: torch.Tensor) -> torch.Tensor:
        """User rows [B, T, D]; `table` [I + 1, D] is id + features of every known item."""
        tokens: torch.Tensor = self.user_tower(batch, table[batch.items])
        return tokens
