"""The op: checks, then the form that is fastest for these tensors."""

import torch

from kernels.backend import use_triton
from kernels.checks import FLOATS, check_tensor
from kernels.hamming import WORD_BITS
from kernels.hamming_hist.op import check_signatures
from kernels.hamming_pool import reference


def hamming_pool(
    a: torch.Tensor,
    b: torch.Tensor,
    v: torch.Tensor,
    weight: torch.Tensor,
    cand_to_user: torch.Tensor,
    kv_offsets: torch.Tensor,
    *,
    normalise: bool = False,
) -> torch.Tensor:
    """Long-term interest: a user's behaviours, each weighted by how similar its signature is to the candidate's.

    `out_i = sum_l weight[d_il] v_l`, over the behaviours l of i's user, d = popcount(a_i xor b_l) in 0..bits. There are
    only bits + 1 distances, so a table is every nonlinear weight: softmax (`exp(scale (1 - 2 d / bits))` with
    `normalise`), threshold, power, learned. A weight affine in d needs no pairs at all: `linear.hamming_pool_linear`.

    `a` [N, W] int32, `b` [T, W] int32 signatures of bits = 32 W; `v` [T, D] values, one of float32, float16, bfloat16;
    `weight` [bits + 1] float32, finite, and not negative with `normalise`, which divides by the sum of the weights;
    `cand_to_user` [N] int32 non-decreasing, `kv_offsets` [B + 1] int32 -> [N, D] of v's dtype, accumulated in float32.
    An empty history, or no weight above zero with `normalise`, gives zeros. Weights are rounded to v's dtype before
    the product. Source: AIF's long-term behaviours; the pairs are never materialised.
    Raises ValueError on a shape, dtype or device that does not fit; no value is read.
    """
    check_signatures(a, b, cand_to_user, kv_offsets)
    check_tensor("v", v, (b.shape[0], -1), FLOATS, a.device)
    check_tensor("weight", weight, (a.shape[1] * WORD_BITS + 1,), (torch.float32,), a.device)
    if use_triton(v, weight):
        from kernels.hamming_pool.kernel import hamming_pool_triton

        return hamming_pool_triton(a, b, v, weight, cand_to_user, kv_offsets, normalise)
    return reference.hamming_pool(a, b, v, weight, cand_to_user, kv_offsets, normalise)
