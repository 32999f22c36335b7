"""The definition, in plain PyTorch: differentiable in values and weights, any floating dtype, any device."""

import torch

from kernels.hamming import distances, request_blocks, unpack_signs


def hamming_pool(
    a: torch.Tensor,
    b: torch.Tensor,
    v: torch.Tensor,
    weight: torch.Tensor,
    cand_to_user: torch.Tensor,
    kv_offsets: torch.Tensor,
    normalise: bool,
) -> torch.Tensor:
    """`sum_l weight[d(a_i, b_l)] v_l`; the pairs are held a block at a time. See `op.hamming_pool`."""
    computed = torch.promote_types(v.dtype, torch.float32)
    signs_a, signs_b = unpack_signs(a), unpack_signs(b)
    values, table = v.to(computed), weight.to(computed)
    parts, at = [], []
    for rows, keys in request_blocks(cand_to_user, kv_offsets, b.shape[0]):
        distance = distances(signs_a[rows], signs_b[keys]).to(torch.int32)
        pair = table.index_select(0, distance.flatten()).view_as(distance)
        pooled = pair @ values[keys]
        if normalise:
            pooled = pooled / pair.sum(1, keepdim=True).clamp_min(1e-30)  # all weights zero: the sum is zero as well
        parts.append(pooled.to(v.dtype))
        at.append(rows)
    out = torch.zeros((a.shape[0], v.shape[1]), dtype=v.dtype, device=v.device)
    for rows, part in zip(at, parts, strict=True):
        out[rows] = part
    return out
