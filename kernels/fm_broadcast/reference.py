"""The definition, in plain PyTorch: differentiable, any floating dtype, any device."""

import torch


def fm_broadcast(c: torch.Tensor, y_c: torch.Tensor, t: torch.Tensor, cand_to_user: torch.Tensor) -> torch.Tensor:
    """`c @ (c.T @ y_c + t[cand_to_user])` of each candidate; see `op.fm_broadcast`."""
    return torch.bmm(c, _projection(c, y_c, t, cand_to_user))


def fm_broadcast_both(
    c: torch.Tensor, y_c: torch.Tensor, t: torch.Tensor, u: torch.Tensor, cand_to_user: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The candidate's rows and the request's; see `op.fm_broadcast_both`."""
    projection = _projection(c, y_c, t, cand_to_user)
    if u.shape[0] == 1:
        return torch.bmm(c, projection), torch.matmul(u, projection)
    return torch.bmm(c, projection), torch.bmm(u.index_select(0, cand_to_user), projection)


def _projection(c: torch.Tensor, y_c: torch.Tensor, t: torch.Tensor, cand_to_user: torch.Tensor) -> torch.Tensor:
    own = torch.bmm(c.transpose(1, 2), y_c.expand(c.shape[0], -1, -1))  # [N, d, k]
    return own.add_(t if t.shape[0] == 1 else t.index_select(0, cand_to_user))  # in place: no second [N, d, k]
