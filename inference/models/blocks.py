"""The transformer parts that the user tower and the foundation model share."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

START_RANK = 3.0  # the learned token before every history begins with the weight of the fourth newest event
MASKED = -1e9


def split_heads(x: torch.Tensor, num_heads: int) -> torch.Tensor:
    """[B, S, D] -> [B, H, S, D / H]."""
    b, s, d = x.shape
    return x.view(b, s, num_heads, d // num_heads).transpose(1, 2)


def merge_heads(x: torch.Tensor) -> torch.Tensor:
    """[B, H, S, D / H] -> [B, S, D]."""
    b, h, s, d = x.shape
    return x.transpose(1, 2).reshape(b, s, h * d)


class Attention(nn.Module):
    """Multi-head attention with a learned bias by the key's rank in the history.

    Key 0 is the learned start token, key 1 the newest event. The bias starts as slopes of different steepness per
    query and head, from the newest event alone to the whole history: recency need not be found by training.
    """

    def __init__(self, width: int, num_heads: int, num_keys: int, num_queries: int = 1) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        slopes = torch.logspace(-3, 0.3, num_queries * num_heads).view(num_queries, num_heads).T  # [H, S or 1]
        ranks = torch.cat([torch.tensor([START_RANK]), torch.arange(num_keys - 1.0)])
        start_as_similarity(self.query, self.key_value)
        nn.init.eye_(self.out.weight)
        self.rank_bias = nn.Parameter(-slopes[:, :, None] * ranks)

    def forward(self, queries: torch.Tensor, keys: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """`queries` [B, S, D], `keys` [B, K, D], `mask` [B, K] bool (at least one key true) -> [B, S, D]."""
        q = split_heads(self.query(queries), self.num_heads)
        k, v = self.key_value(keys).chunk(2, dim=-1)
        bias = self.rank_bias[:, :, : keys.shape[1]].clamp(min=-30.0)  # [H, 1 or S, K]
        bias = torch.where(mask[:, None, None, :], bias[None], MASKED)
        if bias.shape[2] == 1:
            bias = bias.expand(-1, -1, q.shape[2], -1)
        attended = F.scaled_dot_product_attention(
            q, split_heads(k, self.num_heads), split_heads(v, self.num_heads), attn_mask=bias
        )
        out: torch.Tensor = self.out(merge_heads(attended))
        return out


def start_as_similarity(query: nn.Linear, key_value: nn.Linear) -> None:
    """Let attention begin by reading what is similar: keys like queries, values as they are.

    Candidates and histories share one embedding space, so this is right before anything was learned.
    """
    width = query.weight.shape[0]
    with torch.no_grad():
        nn.init.orthogonal_(query.weight)
        key_value.weight[:width] = query.weight
        nn.init.eye_(key_value.weight[width:])
        query.bias.zero_()
        key_value.bias.zero_()


def start_as_linears(joint: nn.Linear, widths: Sequence[int]) -> None:
    """Let one linear over concatenated inputs begin as the sum of linears over each: a wide input drowns no other."""
    with torch.no_grad():
        parts = [nn.Linear(width, joint.out_features, bias=False).weight for width in widths]
        joint.weight.copy_(torch.cat(parts, dim=1))


class FeedForward(nn.Module):
    """Norm, widen, narrow, add."""

    def __init__(self, width: int, factor: int = 2) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, factor * width), nn.SiLU(), nn.Linear(factor * width, width)
        )
        start_at_zero(self.layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[..., D] -> [..., D]."""
        out: torch.Tensor = x + self.layers(x)
        return out


def start_at_zero(layers: nn.Sequential | nn.Linear) -> None:
    """Let a residual branch begin by adding nothing, and a gate half open."""
    last = layers if isinstance(layers, nn.Linear) else layers[-1]
    assert isinstance(last, nn.Linear)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)


def head_products(a: torch.Tensor, b: torch.Tensor, num_heads: int) -> torch.Tensor:
    """Scaled dot products head by head: [..., D] and [..., D] -> [..., H]."""
    shape = (*a.shape[:-1], num_heads, a.shape[-1] // num_heads)
    products: torch.Tensor = (a * b).view(shape).sum(-1)
    return products / math.sqrt(shape[-1])


class SelfBlock(nn.Module):
    """One pre-norm transformer block over a history."""

    def __init__(self, width: int, num_heads: int, num_keys: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = Attention(width, num_heads, num_keys)
        self.feed_forward = FeedForward(width)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """`x` [B, K, D], `mask` [B, K] bool -> [B, K, D]."""
        normed = self.norm(x)
        out: torch.Tensor = self.feed_forward(x + self.attention(normed, normed, mask))
        return out
