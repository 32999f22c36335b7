"""SDIM in plain PyTorch: a table per user, then a gather per candidate. No pair is ever looked at, so no kernel."""

import torch

from kernels.hamming import unpack_signs


def bucket_means(b: torch.Tensor, v: torch.Tensor, kv_offsets: torch.Tensor, group_bits: int) -> torch.Tensor:
    """The user's half: for every group of bits and every pattern of it, the mean of the behaviours that have it.

    `b` [T, W] int32 signatures, `v` [T, D] floating, `kv_offsets` [B + 1] int32, `group_bits` a divisor of 32 W, at
    most 16 -> [B, groups, 2 ** group_bits, D] of v's dtype, added and counted in float32 at least, zeros where nothing
    fell. It depends on no candidate.
    """
    bucket = group_index(b, group_bits)  # [T, G]
    num_users, groups = kv_offsets.shape[0] - 1, bucket.shape[1]
    place = torch.arange(b.shape[0], dtype=kv_offsets.dtype, device=b.device)
    user = torch.searchsorted(kv_offsets, place, right=True) - 1
    cell = (user[:, None] * groups + torch.arange(groups, device=b.device)) * (1 << group_bits) + bucket  # [T, G]
    cells = num_users * groups << group_bits
    wide = v.to(torch.promote_types(v.dtype, torch.float32))  # in bfloat16 a count would stop at 256
    sums = wide.new_zeros((cells, v.shape[1]))
    for group in range(groups):  # together they would copy v once per group
        sums.index_add_(0, cell[:, group], wide)
    counts = wide.new_zeros(cells).index_add(0, cell.flatten(), wide.new_ones(cell.numel()))
    means = sums / counts.clamp_min(1)[:, None]
    return means.view(num_users, groups, 1 << group_bits, v.shape[1]).to(v.dtype)


def sdim_pool(a: torch.Tensor, means: torch.Tensor, cand_to_user: torch.Tensor) -> torch.Tensor:
    """`out_i = 1 / G sum_g mean of v over the behaviours that share i's bits of group g`.

    `a` [N, W] int32 signatures, `means` [B, G, 2 ** group_bits, D] of `bucket_means`, `cand_to_user` [N] int32
    -> [N, D]. G x D additions a candidate, whatever the length of the history. Source: SDIM (arXiv 2205.10249), whose
    expectation is attention with the weight `(1 - angle / pi) ** group_bits`.
    """
    num_users, groups, patterns, d = means.shape
    bucket = group_index(a, (patterns - 1).bit_length())
    row = (cand_to_user[:, None].long() * groups + torch.arange(groups, device=a.device)) * patterns + bucket
    return torch.nn.functional.embedding_bag(row, means.reshape(num_users * groups * patterns, d), mode="mean")


def group_index(words: torch.Tensor, group_bits: int) -> torch.Tensor:
    """The pattern [n, groups] int64 of each group of bits in signatures [n, W] int32."""
    bits = words.shape[1] * 32
    if not 1 <= group_bits <= 16 or bits % group_bits:
        raise ValueError(f"group_bits is {group_bits}; allowed are divisors of {bits} up to 16")
    bit = (unpack_signs(words) > 0).view(len(words), bits // group_bits, group_bits).long()
    return (bit << torch.arange(group_bits, device=words.device)).sum(2)
