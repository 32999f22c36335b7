"""The definition, in plain PyTorch: any device; the pairs are held a block at a time."""

import torch

from kernels.hamming import distances, request_blocks, unpack_signs


def hamming_topk(
    a: torch.Tensor, b: torch.Tensor, cand_to_user: torch.Tensor, kv_offsets: torch.Tensor, k: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Index and distance, both [N, k] int32; see `op.hamming_topk`."""
    index = torch.full((a.shape[0], k), -1, dtype=torch.int32, device=a.device)
    distance = torch.full_like(index, -1)
    signs_a, signs_b = unpack_signs(a), unpack_signs(b)
    for rows, keys in request_blocks(cand_to_user, kv_offsets, b.shape[0]):
        num_keys = keys.stop - keys.start
        kept = min(k, num_keys)
        # One integer orders by distance, then by place, so that a tie has one answer.
        small = (signs_a.shape[1] + 1) * num_keys < 2**31
        place = torch.arange(num_keys, dtype=torch.int32 if small else torch.int64, device=a.device)
        joint = distances(signs_a[rows], signs_b[keys]).to(place.dtype).mul_(num_keys).add_(place)
        nearest = joint.topk(kept, dim=1, largest=False, sorted=False).values
        at, order = (nearest % num_keys).sort(dim=1)
        index[rows, :kept] = (at + keys.start).to(torch.int32)
        distance[rows, :kept] = (nearest // num_keys).gather(1, order).to(torch.int32)
    return index, distance
