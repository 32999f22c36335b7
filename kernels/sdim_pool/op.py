"""The op: checks, then plain PyTorch on every device. No pair is ever looked at, so there is nothing to fuse."""

import torch

from kernels.checks import FLOATS, check_tensor
from kernels.hamming import WORD_BITS
from kernels.sdim_pool import reference

MAX_GROUP_BITS = 16  # a table of 2 ** 16 rows a group: more are mostly empty


def bucket_means(b: torch.Tensor, v: torch.Tensor, kv_offsets: torch.Tensor, group_bits: int) -> torch.Tensor:
    """The user's half: for every group of bits and every pattern of it, the mean of the behaviours that have it.

    `b` [T, W] int32 signatures of all histories, one after the other, `v` [T, D] their values, one of float32,
    float16, bfloat16, `kv_offsets` [B + 1] int32 from 0 to T: the history of user u is
    `b[kv_offsets[u]:kv_offsets[u + 1]]`, `group_bits` a divisor of 32 W up to 16 -> [B, groups, 2 ** group_bits, D] of
    v's dtype, added and counted in float32, zeros where nothing fell. It depends on no candidate, so it may be done
    while retrieval runs. A GPU adds in any order: the last bit may differ from run to run.
    Raises ValueError on a shape, dtype, device or `group_bits` that does not fit; no value is read.
    """
    check_tensor("b", b, (-1, -1), (torch.int32,), None)
    check_tensor("v", v, (b.shape[0], -1), FLOATS, b.device)
    check_tensor("kv_offsets", kv_offsets, (-1,), (torch.int32,), b.device)
    if not kv_offsets.shape[0]:
        raise ValueError("kv_offsets is empty; it has one more element than there are users")
    check_group_bits(group_bits, b.shape[1] * WORD_BITS)
    return reference.bucket_means(b, v, kv_offsets, group_bits)


def sdim_pool(a: torch.Tensor, means: torch.Tensor, cand_to_user: torch.Tensor) -> torch.Tensor:
    """`out_i = 1 / groups sum_g mean of v over the behaviours of i's user that share i's bits of group g`.

    `a` [N, W] int32 signatures of the candidates, `means` [B, groups, 2 ** group_bits, D] of `bucket_means` over
    signatures of as many bits, `cand_to_user` [N] int32 in [0, B), in any order -> [N, D] of means' dtype.
    `groups * D` additions a candidate, whatever the length of the history; an empty history gives zeros. Source: SDIM
    (arXiv 2205.10249), whose expectation is attention with the weight `(1 - angle / pi) ** group_bits`.
    Raises ValueError on a shape, dtype or device that does not fit; no value is read.
    """
    check_tensor("a", a, (-1, -1), (torch.int32,), None)
    check_tensor("means", means, (-1, -1, -1, -1), FLOATS, a.device)
    check_tensor("cand_to_user", cand_to_user, (a.shape[0],), (torch.int32,), a.device)
    num_users, groups, patterns, _ = means.shape
    bits, group_bits = a.shape[1] * WORD_BITS, max(patterns - 1, 0).bit_length()
    if patterns != 1 << group_bits or groups * group_bits != bits:
        raise ValueError(f"means has {groups} groups of {patterns} patterns; allowed are G of 2 ** ({bits} / G)")
    if a.shape[0] > 0 and num_users == 0:
        raise ValueError(f"means has no users; {a.shape[0]} candidates ask for one")
    return reference.sdim_pool(a, means, cand_to_user)


def check_group_bits(group_bits: int, bits: int) -> None:
    """Raise ValueError unless signatures of so many bits fall into groups of `group_bits`."""
    allowed = [size for size in range(1, MAX_GROUP_BITS + 1) if bits and bits % size == 0]
    if not isinstance(group_bits, int) or group_bits not in allowed:
        raise ValueError(f"group_bits is {group_bits}; allowed are {', '.join(map(str, allowed)) or 'none'}")
