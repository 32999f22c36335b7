"""The definition, in plain PyTorch: differentiable, any floating dtype, any device."""

import torch


def broadcast_lce(
    x: torch.Tensor, weight: torch.Tensor, request: torch.Tensor, cand_to_user: torch.Tensor
) -> torch.Tensor:
    """`weight @ x[n] + request[cand_to_user[n]]` for every candidate n; see `op.broadcast_lce`."""
    product = torch.matmul(weight[: request.shape[1], : x.shape[1]], x)
    # One request is broadcast as it is; several are gathered. Both are added in place: nothing else reads the product.
    return product.add_(request if request.shape[0] == 1 else request.index_select(0, cand_to_user))
