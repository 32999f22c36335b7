"""The op: checks, then the form that is fastest for these tensors."""

import torch

from kernels.backend import use_triton
from kernels.checks import check_integer
from kernels.hamming_hist.op import check_signatures
from kernels.hamming_topk import reference


def hamming_topk(
    a: torch.Tensor, b: torch.Tensor, cand_to_user: torch.Tensor, kv_offsets: torch.Tensor, *, k: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The k nearest behaviours of each candidate, for exact attention over those alone (ETA).

    `a` [N, W] int32 signatures of candidates, `b` [T, W] int32 of all histories, `cand_to_user` [N] int32
    non-decreasing, `kv_offsets` [B + 1] int32 -> (index [N, k] int32, distance [N, k] int32): rows of `b`, in the order
    of the history; of equal distances the earlier ones are taken. A history shorter than k leaves -1 at the end.

    Distances are integers in 0..32 W, so the k-th smallest is found by counting: O(L) per candidate, nothing is
    sorted and no distance is stored. Raises ValueError on a shape, dtype or device that does not fit; no value is read.
    """
    check_signatures(a, b, cand_to_user, kv_offsets)
    check_integer("k", k, 1)
    if use_triton(a, b):
        from kernels.hamming_topk.kernel import hamming_topk_triton

        return hamming_topk_triton(a, b, cand_to_user, kv_offsets, k)
    return reference.hamming_topk(a, b, cand_to_user, kv_offsets, k)
