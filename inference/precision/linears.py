"""What stands in for a linear: the same call, its weight in another number format.

A weight in eight bits is no parameter: it is prepared once, and a cast of the module must leave it as it is.
"""

import torch
import torch.nn.functional as F
from torch import nn

from inference.models.shared_linear import SharedLinear
from kernels.broadcast_linear.op import broadcast_linear_fp8
from kernels.rowwise_quant_fp8.linear import Fp8Weight, fp8_linear
from kernels.rowwise_quant_fp8.op import rowwise_quant_fp8


class Fp8Linear(nn.Module):
    """For an `nn.Linear`, by one of `fp8_linear`'s recipes. On a CPU the same e4m3 numbers in float32: no speed."""

    def __init__(self, linear: nn.Linear, recipe: str) -> None:
        super().__init__()
        self.fp8 = Fp8Weight.prepare(linear.weight, recipe)
        self.bias = linear.bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[..., K] -> [..., H] of the dtype of `x`."""
        rows = fp8_linear(x.reshape(-1, x.shape[-1]), self.fp8, self.bias)
        return rows.view(*x.shape[:-1], -1)


class Fp8SharedLinear(nn.Module):
    """For a `SharedLinear`, with a scale for each row: the request's part is added where the product is made."""

    def __init__(self, linear: SharedLinear) -> None:
        super().__init__()
        fp8 = Fp8Weight.prepare(linear.weight)
        h, _ = fp8.shape
        self.values, self.scale = fp8.values[:h], fp8.scale.flatten()[:h]

    def forward(self, x: torch.Tensor, request: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        """As `SharedLinear`."""
        rows, scale = rowwise_quant_fp8(x, width=self.values.shape[1])
        return broadcast_linear_fp8(rows, scale, self.values, self.scale, request, index)


class Bf16Linear(nn.Module):
    """For an `nn.Linear` of a wider model: both operands and the result rounded to bfloat16, the sum in float32."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[..., K] -> [..., H] of the dtype of `x`."""
        return bf16_linear(x, self.weight, self.bias)


class Added(nn.Module):
    """For a `SharedLinear`, by any linear: the request's part is added to its product."""

    def __init__(self, product: nn.Module) -> None:
        super().__init__()
        self.product = product

    def forward(self, x: torch.Tensor, request: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        """As `SharedLinear`."""
        y: torch.Tensor = self.product(x)
        return y + request.index_select(0, index)


def bf16_linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """A linear in bfloat16 with a float32 sum, given back in the dtype of `x`."""
    if x.is_cuda:
        return F.linear(x.bfloat16(), weight.bfloat16(), None if bias is None else bias.bfloat16()).to(x.dtype)
    # A CPU without bf16 units takes ten times as long: the same numbers are multiplied in float32.
    y = F.linear(x.bfloat16().float(), weight.bfloat16().float(), None if bias is None else bias.float())
    return y.bfloat16().to(x.dtype)
