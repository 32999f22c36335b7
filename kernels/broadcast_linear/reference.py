"""The definition, in plain PyTorch: differentiable, any floating dtype, any device."""

import torch
import torch.nn.functional as F

ACTIVATIONS = ("none", "relu", "silu", "hardswish")


def broadcast_linear(
    x: torch.Tensor,
    weight: torch.Tensor,
    request: torch.Tensor,
    cand_to_user: torch.Tensor,
    activation: str = "none",
) -> torch.Tensor:
    """`activation(x @ weight.T + request[cand_to_user])`; see `op.broadcast_linear`."""
    if request.shape[0] == 1:  # one request: its part is the layer's bias, and the library adds it
        y = F.linear(x, weight, request[0])
    else:
        y = F.linear(x, weight) + request.index_select(0, cand_to_user)
    return activate(y, activation)


def activate(y: torch.Tensor, activation: str) -> torch.Tensor:
    """One of ACTIVATIONS, elementwise."""
    match activation:
        case "relu":
            return F.relu(y)
        case "silu":
            return F.silu(y)
        case "hardswish":
            return F.hardswish(y)
        case _:
            return y
