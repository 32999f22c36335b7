"""The weight that is affine in the distance: no pairs, no kernel."""

from itertools import pairwise

import torch

from kernels.checks import FLOATS, check_tensor
from kernels.hamming import WORD_BITS, unpack_signs


def history_moments(b: torch.Tensor, v: torch.Tensor, kv_offsets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What `hamming_pool_linear` needs of the histories, once per user: `signs(b).T @ v` and the sum of v.

    `b` [T, W] int32, `v` [T, D] floating, `kv_offsets` [B + 1] int32 -> [B, bits, D] and [B, D]. The user's half of the
    work: it depends on no candidate, so it may be done while retrieval runs. Reads the offsets on the host if B > 1.
    Raises ValueError on a shape, dtype or device that does not fit.
    """
    check_tensor("b", b, (-1, -1), (torch.int32,), None)
    check_tensor("v", v, (b.shape[0], -1), FLOATS, b.device)
    check_tensor("kv_offsets", kv_offsets, (-1,), (torch.int32,), b.device)
    if kv_offsets.shape[0] < 2:
        raise ValueError(f"kv_offsets has {kv_offsets.shape[0]} elements; it has one more than there are users")
    signs = unpack_signs(b).to(v.dtype)
    ends = [0, b.shape[0]] if kv_offsets.shape[0] == 2 else kv_offsets.tolist()
    parts = [slice(first, last) for first, last in pairwise(ends)]
    moments = [signs[part].T @ v[part] for part in parts]
    sums = [v[part].sum(0) for part in parts]
    return torch.stack(moments), torch.stack(sums)


def hamming_pool_linear(
    a: torch.Tensor,
    moments: torch.Tensor,
    sums: torch.Tensor,
    cand_to_user: torch.Tensor,
    *,
    at_zero: float = 1.0,
    slope: float = -1.0,
) -> torch.Tensor:
    """`hamming_pool` with the weight `at_zero + slope d / bits`, at a cost that does not depend on the history.

    With signs s in {-1, 1}: `d = (bits - s_a . s_b) / 2`, so the weight is affine in s_b and the sum over the history
    moves inside: `out_i = (at_zero + slope / 2) sum_l v_l - slope / (2 bits) s_a @ (sum_l s_b,l v_l)`, exact in real
    arithmetic. `a` [N, W] int32, `moments` [B, bits, D] and `sums` [B, D] of `history_moments`, `cand_to_user` [N]
    int32 non-decreasing -> [N, D]. N x bits x D multiply-adds instead of N x L x (bits + D). Reads where
    the users' candidates begin on the host if B > 1. Raises ValueError on a shape, dtype or device that does not fit.
    """
    check_tensor("a", a, (-1, -1), (torch.int32,), None)
    bits = a.shape[1] * WORD_BITS
    check_tensor("moments", moments, (-1, bits, -1), FLOATS, a.device)
    check_tensor("sums", sums, (moments.shape[0], moments.shape[2]), (moments.dtype,), a.device)
    check_tensor("cand_to_user", cand_to_user, (a.shape[0],), (torch.int32,), a.device)
    if a.shape[0] > 0 and moments.shape[0] == 0:
        raise ValueError(f"moments has no users; {a.shape[0]} candidates ask for one")
    signs = unpack_signs(a).to(moments.dtype) * (-slope / (2 * bits))
    scaled = (at_zero + slope / 2) * sums
    if moments.shape[0] == 1:
        return torch.addmm(scaled, signs, moments[0])
    # All users' products side by side would be B times the work: one product for each user's own candidates.
    users = torch.arange(moments.shape[0] + 1, dtype=cand_to_user.dtype, device=a.device)
    ends = torch.searchsorted(cand_to_user, users).tolist()
    parts = [torch.addmm(scaled[u], signs[ends[u] : ends[u + 1]], moments[u]) for u in range(moments.shape[0])]
    return torch.cat(parts)
