"""The op: checks, then the form that is fastest for these tensors."""

import torch

from kernels.backend import use_triton
from kernels.checks import check_integer, check_tensor
from kernels.hamming_hist import reference

MAX_BINS = 16  # more of them spill: 32 at 128 bits, 64 at any


def hamming_hist(
    a: torch.Tensor, b: torch.Tensor, cand_to_user: torch.Tensor, kv_offsets: torch.Tensor, *, bins: int
) -> torch.Tensor:
    """SimTier's feature: the behaviours of a candidate's user, counted by how similar they are to the candidate.

    `a` [N, W] int32 signatures of the candidates, `b` [T, W] int32 of all histories, one after the other,
    `cand_to_user` [N] int32 non-decreasing in [0, B), `kv_offsets` [B + 1] int32 from 0 to T: the history of user u
    is `b[kv_offsets[u]:kv_offsets[u + 1]]` -> [N, bins] int32. With d = popcount(a xor b) in 0..bits, bits = 32 W,
    tier `d * bins // (bits + 1)` counts one: the first tier holds the most similar. An empty history gives zeros.
    The pairs are never materialised. Source: SimTier; signatures as in AIF.
    Raises ValueError on a shape, dtype or device that does not fit; no value is read.
    """
    check_signatures(a, b, cand_to_user, kv_offsets)
    check_integer("bins", bins, 1, MAX_BINS)
    if use_triton(a, b):
        from kernels.hamming_hist.kernel import hamming_hist_triton

        return hamming_hist_triton(a, b, cand_to_user, kv_offsets, bins)
    return reference.hamming_hist(a, b, cand_to_user, kv_offsets, bins)


def check_signatures(a: torch.Tensor, b: torch.Tensor, cand_to_user: torch.Tensor, kv_offsets: torch.Tensor) -> None:
    """What every op over signatures of candidates and histories asks; raises ValueError."""
    check_tensor("a", a, (-1, -1), (torch.int32,), None)
    n, words = a.shape
    check_tensor("b", b, (-1, words), (torch.int32,), a.device)
    check_tensor("cand_to_user", cand_to_user, (n,), (torch.int32,), a.device)
    check_tensor("kv_offsets", kv_offsets, (-1,), (torch.int32,), a.device)
    if not words:
        raise ValueError("a has no words; a signature has 32 bits or more")
    if not kv_offsets.shape[0]:
        raise ValueError("kv_offsets is empty; it has one more element than there are users")
    if n > 0 and kv_offsets.shape[0] == 1:
        raise ValueError(f"kv_offsets has no users; {n} candidates ask for one")
