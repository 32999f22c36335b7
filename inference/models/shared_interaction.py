"""A Wukong layer over the embeddings of a request and of its candidates, in which nothing of the request is repeated.

The request's embeddings see each other alone, the candidate's see both: what the request contributes is computed once
and added to each candidate inside the two ops. Sources: Wukong (linear compression beside a low-rank factorisation
machine) and request-oriented sharing as in the Adaptive Ranking Model.
"""

import torch
from torch import nn

from inference.models.blocks import start_at_zero
from inference.models.interaction import InteractionLayer
from kernels.broadcast_lce.op import broadcast_lce
from kernels.fm_broadcast.op import fm_broadcast


class SharedInteraction(nn.Module):
    """`nu` embeddings of a request and `nc` of a candidate, of width D, to as many; `last` drops the request's."""

    def __init__(self, num_user: int, num_cand: int, width: int, rank: int, *, last: bool) -> None:
        super().__init__()
        self.scale = width**-0.5
        self.compress_cand = nn.Parameter(torch.zeros(num_cand - num_cand // 2, num_cand))
        self.compress_user = nn.Parameter(torch.zeros(num_cand - num_cand // 2, num_user))
        self.project_cand = nn.Parameter(torch.randn(num_cand, rank) * num_cand**-0.5)
        self.project_user = nn.Parameter(torch.randn(num_user, rank) * num_user**-0.5)
        self.factors = _Factors(num_cand, num_cand // 2, width, rank)
        self.norm = nn.LayerNorm(width)
        self.request = None if last else InteractionLayer(num_user, width, rank)

    def forward(
        self, user: torch.Tensor, mask: torch.Tensor, cand: torch.Tensor, index: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """`user` [B, nu, D], zeros where `mask` [B, nu] is false, `cand` [N, nc, D], `index` [N] -> the same two."""
        compressed = broadcast_lce(cand, self.compress_cand, self.compress_user @ user, index)
        shared = user.transpose(1, 2) @ self.project_user  # [B, D, rank]
        products = fm_broadcast(cand, self.project_cand, shared, index) * self.scale  # [N, nc, rank]
        out = self.norm(cand + torch.cat([self.factors(products), compressed], dim=1))
        if self.request is not None:
            user = self.request(user) * mask[:, :, None]
        return user, out


class _Factors(nn.Module):
    """Second-order products of n embeddings to half as many embeddings; begins by giving zeros."""

    def __init__(self, num: int, num_out: int, width: int, rank: int) -> None:
        super().__init__()
        self.shape = (num_out, width)
        self.layers = nn.Sequential(
            nn.LayerNorm(num * rank), nn.Linear(num * rank, 2 * width), nn.SiLU(), nn.Linear(2 * width, num_out * width)
        )
        start_at_zero(self.layers)

    def forward(self, products: torch.Tensor) -> torch.Tensor:
        """[M, n, rank] -> [M, n_out, D]."""
        out: torch.Tensor = self.layers(products.flatten(1)).view(-1, *self.shape)
        return out
