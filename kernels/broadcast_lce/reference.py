"""The definition, in plain PyTorch: differentiable, any floating dtype, any device."""

import torch


def broadcast_lce(
    x: torch.Tensor, weight: torch.Tensor, request: torch.Tensor, cand_to_user: torch.Tensor
) -> torch.Tensor:
    """`weight @ x[n] + request[cand_to_user[n]]` for every candidate n; see `op.broadcast_lce`."""
    n, k, m = x.shape[0], x.shape[1], request.shape[1]
    # The products are added to the gathered parts where they lie: no third [N, M, d], and one rounding less.
    return request.index_select(0, cand_to_user).baddbmm_(weight[:m, :k].expand(n, m, k), x)
