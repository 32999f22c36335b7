"""A linear over what is known of a request and of its candidates, with the request's part given."""

import torch
from torch import nn

from kernels.broadcast_linear.op import broadcast_linear


class SharedLinear(nn.Linear):
    """`W_c` of `[W_r ; W_c]`: what multiplies candidates. The request's part, bias included, comes from elsewhere."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features, bias=False)

    def forward(  # type: ignore[override]  # a linear in all but its call
        self, x: torch.Tensor, request: torch.Tensor, index: torch.Tensor
    ) -> torch.Tensor:
        """`x` [N, K], `request` [B, H], `index` [N] int32: the request of a candidate -> [N, H]."""
        return broadcast_linear(x, self.weight, request, index)
