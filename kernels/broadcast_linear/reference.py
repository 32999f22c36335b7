"""The definition, in plain PyTorch: differentiable, any floating dtype, any device."""

import torch
import torch.nn.functional as F

from kernels.broadcast_linear.epilogue import BlockNorm, Cross, Epilogue, Normed

ACTIVATIONS = ("none", "relu", "silu", "hardswish")


def broadcast_linear(
    x: torch.Tensor,
    weight: torch.Tensor,
    request: torch.Tensor,
    cand_to_user: torch.Tensor,
    activation: str = "none",
    epilogue: Epilogue | None = None,
) -> torch.Tensor:
    """`activation(epilogue(x @ weight.T + request[cand_to_user]))`; see `op.broadcast_linear`."""
    if request.dtype != x.dtype:
        y = F.linear(x, weight) + request.index_select(0, cand_to_user)
    elif request.shape[0] == 1:  # the layer's bias, and the library adds it
        y = F.linear(x, weight, request[0])
    else:  # the product is added to the gathered rows where they lie: no third [N, H], and one rounding less
        y = request.index_select(0, cand_to_user).addmm_(x, weight.T)
    return finish(y, activation, epilogue).to(x.dtype)


def broadcast_linear_fp8(
    x: torch.Tensor,
    x_scale: torch.Tensor,
    weight: torch.Tensor,
    weight_scale: torch.Tensor,
    request: torch.Tensor,
    cand_to_user: torch.Tensor,
    activation: str = "none",
    epilogue: Epilogue | None = None,
) -> torch.Tensor:
    """The same over what the fp8 numbers and their scales stand for; see `op.broadcast_linear_fp8`."""
    y = F.linear(x.float(), weight.float()) * x_scale[:, None] * weight_scale
    y = y + (request if request.shape[0] == 1 else request.index_select(0, cand_to_user))
    return finish(y, activation, epilogue).to(request.dtype)


def finish(y: torch.Tensor, activation: str, epilogue: Epilogue | None = None) -> torch.Tensor:
    """The epilogue, in float32 at least, then the activation; in the dtype they lead to."""
    if epilogue is None:
        return activate(y, activation)
    y = y.to(torch.promote_types(y.dtype, torch.float32))
    match epilogue:
        case Cross():
            y = epilogue.x0 * y + epilogue.x
        case Normed():
            centred = y if epilogue.mean is None else y - epilogue.mean[:, None] * epilogue.gain
            y = epilogue.rstd[:, None] * centred + epilogue.offset
        case BlockNorm(width, eps):
            blocks = y.reshape(y.shape[0], y.shape[1] // width, width)
            y = (blocks * torch.rsqrt(blocks.square().mean(2, keepdim=True) + eps)).reshape(y.shape)
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
