"""The user side: a behaviour history -> T summary tokens of width D, the row that is stored per user."""

import torch
from torch import nn

from inference.models.blocks import Attention, FeedForward, SelfBlock
from inference.models.history_encoder import HistoryBatch, HistoryEncoder
from inference.models.sizes import Sizes


class UserTower(nn.Module):
    """A small transformer over the history, then T learned queries read it.

    There is no user id: a user is what the user did, so that one never seen is ranked like any other.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        width, heads, num_keys = sizes.item_width, sizes.num_heads, sizes.history_length + 1
        self.history = HistoryEncoder(width)
        self.blocks = nn.ModuleList(SelfBlock(width, heads, num_keys) for _ in range(sizes.user_layers))
        self.queries = nn.Parameter(torch.randn(sizes.user_tokens, width) * 0.5)
        self.norm = nn.LayerNorm(width)
        self.summarise = Attention(width, heads, num_keys, num_queries=sizes.user_tokens)
        self.feed_forward = FeedForward(width)
        self.norm_out = nn.LayerNorm(width)

    def forward(self, batch: HistoryBatch, items: torch.Tensor) -> torch.Tensor:
        """`items` [B, L, D] embeddings of the events' items -> summary tokens [B, T, D]."""
        x, mask = self.history(batch, items)
        for block in self.blocks:
            x = block(x, mask)
        queries = self.queries.expand(x.shape[0], -1, -1)
        tokens = queries + self.summarise(queries, self.norm(x), mask)
        out: torch.Tensor = self.norm_out(self.feed_forward(tokens))
        return out
