"""The definition, in plain PyTorch: differentiable, any floating dtype, any device."""

import torch
import torch.nn.functional as F

from kernels.broadcast_linear.reference import activate
from kernels.grouped_linear.packed import PackedLinears


def grouped_linear(x: torch.Tensor, packed: PackedLinears) -> torch.Tensor:
    """Group by group; see `op.grouped_linear`."""
    if packed.equal:
        return equal_shapes(x, packed)
    parts = zip(torch.split(x, list(packed.widths_in), dim=1), packed.weights(), strict=True)
    # One addition of all biases: a linear with a bias costs more than the product alone where it is this small.
    y = torch.cat([part @ weight.T for part, weight in parts], dim=1) + packed.bias
    return _activated(y, packed)


def equal_shapes(x: torch.Tensor, packed: PackedLinears) -> torch.Tensor:
    """All groups of one shape: one batched product of the library (one group: one linear)."""
    n, g = x.shape[0], packed.num_groups
    k, h = packed.widths_in[0], packed.widths_out[0]
    if g == 1:
        return _activated(F.linear(x, packed.weights()[0], packed.bias), packed)
    weight = packed.weight.view(g, h, -1)[:, :, :k].transpose(1, 2)
    y = torch.baddbmm(packed.bias.view(g, 1, h), x.view(n, g, k).transpose(0, 1), weight)  # [G, N, H]
    return _activated(y.transpose(0, 1).reshape(n, g * h), packed)


def _activated(y: torch.Tensor, packed: PackedLinears) -> torch.Tensor:
    if len(set(packed.activations)) == 1:
        return activate(y, packed.activations[0])
    parts = torch.split(y, list(packed.widths_out), dim=1)
    return torch.cat([activate(part, name) for part, name in zip(parts, packed.activations, strict=True)], dim=1)
