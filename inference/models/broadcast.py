"""Broadcast from requests to their candidates: user work is done once per request and read by index.

Plain PyTorch; what the kernels are held against.
"""

import torch
import torch.nn.functional as F

from inference.models.blocks import MASKED


def broadcast_add(candidate: torch.Tensor, request: torch.Tensor, cand_to_user: torch.Tensor) -> torch.Tensor:
    """`candidate` [N, D] + `request` [B, D] of each candidate's request: the split of a linear over both."""
    if request.shape[0] == 1:
        return candidate + request
    return candidate + request.index_select(0, cand_to_user)


def broadcast_attention(
    queries: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    mask: torch.Tensor,
    cand_to_user: torch.Tensor,
    user_offsets: torch.Tensor,
) -> torch.Tensor:
    """Each candidate attends to the tokens of its own request.

    `queries` [N, H, E], `keys` and `values` [B, H, S, E], `mask` [B, S] bool (one true at least) -> [N, H * E].
    """
    n, h, e = queries.shape
    b = keys.shape[0]
    bias = torch.where(mask, 0.0, MASKED)[:, None, None, :]  # [B, 1, 1, S]
    if b == 1:
        out = F.scaled_dot_product_attention(queries.transpose(0, 1)[None], keys, values, attn_mask=bias)
        return out[0].transpose(0, 1).reshape(n, h * e)
    counts = torch.diff(user_offsets)
    longest = int(counts.max()) if b else 0
    slot = torch.arange(n, device=queries.device) - user_offsets.index_select(0, cand_to_user)
    flat = cand_to_user * longest + slot
    full = n == b * longest  # all requests have as many candidates, as in training
    padded = queries if full else queries.new_zeros(b * longest, h, e).index_copy(0, flat.long(), queries)
    out = F.scaled_dot_product_attention(padded.view(b, longest, h, e).transpose(1, 2), keys, values, attn_mask=bias)
    rows = out.transpose(1, 2).reshape(b * longest, h * e)
    return rows if full else rows.index_select(0, flat)
