"""The definition, in plain PyTorch: differentiable in the values, any floating dtype, any device. No value is read."""

import torch
import torch.nn.functional as F

from kernels.hamming import WORD_BITS, unpack_signs


def bucket_means(b: torch.Tensor, v: torch.Tensor, kv_offsets: torch.Tensor, group_bits: int) -> torch.Tensor:
    """The table [B, groups, 2 ** group_bits, D] of every user; see `op.bucket_means`."""
    bucket = group_index(b, group_bits)  # [T, groups]
    num_users, groups = kv_offsets.shape[0] - 1, bucket.shape[1]
    place = torch.arange(b.shape[0], dtype=kv_offsets.dtype, device=b.device)
    user = torch.searchsorted(kv_offsets, place, right=True) - 1
    cell = (user[:, None] * groups + torch.arange(groups, device=b.device)) * (1 << group_bits) + bucket
    cells = num_users * groups << group_bits
    wide = v.to(torch.promote_types(v.dtype, torch.float32))  # in bfloat16 a count would stop at 256
    sums = wide.new_zeros((cells, v.shape[1]))
    for group in range(groups):  # together they would copy v once per group
        sums.index_add_(0, cell[:, group], wide)
    counts = wide.new_zeros(cells).index_add(0, cell.flatten(), wide.new_ones(cell.numel()))
    means = sums / counts.clamp_min(1)[:, None]
    return means.view(num_users, groups, 1 << group_bits, v.shape[1]).to(v.dtype)


def sdim_pool(a: torch.Tensor, means: torch.Tensor, cand_to_user: torch.Tensor) -> torch.Tensor:
    """The mean [N, D] over the groups of the candidate's cells; see `op.sdim_pool`."""
    num_users, groups, patterns, d = means.shape
    bucket = group_index(a, (patterns - 1).bit_length())
    row = (cand_to_user[:, None].long() * groups + torch.arange(groups, device=a.device)) * patterns + bucket
    return F.embedding_bag(row, means.reshape(num_users * groups * patterns, d), mode="mean")


def group_index(words: torch.Tensor, group_bits: int) -> torch.Tensor:
    """The pattern [n, groups] int64 of each group of bits in signatures [n, W] int32."""
    if WORD_BITS % group_bits == 0:  # no group lies in two words: nothing is unpacked
        shift = torch.arange(0, WORD_BITS, group_bits, dtype=torch.int32, device=words.device)
        return ((words[..., None] >> shift) & ((1 << group_bits) - 1)).flatten(1).long()
    groups = words.shape[1] * WORD_BITS // group_bits
    bit = (unpack_signs(words) > 0).view(len(words), groups, group_bits).long()
    return (bit << torch.arange(group_bits, device=words.device)).sum(2)
