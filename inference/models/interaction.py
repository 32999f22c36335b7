"""A Wukong layer: linear compression beside a low-rank factorisation machine over a set of embeddings."""

import torch
from torch import nn

from inference.models.blocks import start_at_zero


class InteractionLayer(nn.Module):
    """n embeddings of width D -> n embeddings of width D, with every second-order product at low rank."""

    def __init__(self, num_embeddings: int, width: int, rank: int = 4) -> None:
        super().__init__()
        half = num_embeddings // 2
        self.compress = nn.Parameter(torch.zeros(num_embeddings - half, num_embeddings))
        self.project = nn.Parameter(torch.randn(num_embeddings, rank) * num_embeddings**-0.5)
        self.factors = nn.Sequential(
            nn.LayerNorm(num_embeddings * rank),
            nn.Linear(num_embeddings * rank, 2 * width),
            nn.SiLU(),
            nn.Linear(2 * width, half * width),
        )
        start_at_zero(self.factors)
        self.norm = nn.LayerNorm(width)
        self._half, self._width = half, width

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, n, D] -> [N, n, D]."""
        products = x @ (x.transpose(1, 2) @ self.project) * self._width**-0.5  # [N, n, rank], never [N, n, n]
        factors = self.factors(products.flatten(1)).view(-1, self._half, self._width)
        out: torch.Tensor = self.norm(x + torch.cat([factors, self.compress @ x], dim=1))
        return out
