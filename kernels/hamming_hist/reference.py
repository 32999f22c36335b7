"""The definition, in plain PyTorch: any device; the pairs are held a block at a time."""

import torch

from kernels.hamming import WORD_BITS, distances, request_blocks, unpack_signs


def hamming_hist(
    a: torch.Tensor, b: torch.Tensor, cand_to_user: torch.Tensor, kv_offsets: torch.Tensor, bins: int
) -> torch.Tensor:
    """Counts [N, bins] int32; see `op.hamming_hist`."""
    bits = a.shape[1] * WORD_BITS
    out = torch.zeros((a.shape[0], bins), dtype=torch.int32, device=a.device)
    signs_a, signs_b = unpack_signs(a), unpack_signs(b)
    for rows, keys in request_blocks(cand_to_user, kv_offsets, b.shape[0]):
        distance = distances(signs_a[rows], signs_b[keys])
        tier = distance.mul_(bins).div_(bits + 1).to(torch.int64)  # floor: neither factor is near a rounding
        out[rows].scatter_add_(1, tier, torch.ones((), dtype=torch.int32, device=a.device).expand_as(tier))
    return out
