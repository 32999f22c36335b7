"""The op: checks, then the form that is fastest for these tensors."""

import torch

from kernels.backend import use_triton
from kernels.broadcast_lce import reference
from kernels.broadcast_lce.config import MAX_COLUMNS
from kernels.checks import FLOATS, check_tensor


def broadcast_lce(
    x: torch.Tensor, weight: torch.Tensor, request: torch.Tensor, cand_to_user: torch.Tensor
) -> torch.Tensor:
    """Compress K embeddings of each candidate, beside those of its request, to M: a linear over the embeddings.

    With `W = [W_r ; W_c]`: `W @ [E_r ; E_c] = W_c @ E_c + (W_r @ E_r)`, exact in real arithmetic; the bracket is
    computed once per request, so B requests with N candidates cost `B * K_r + N * K_c` instead of `N * (K_r + K_c)`
    multiply-adds per output. Source: Wukong's linear compress block under in-kernel broadcast (Meta's IKBO).

    `x` [N, K, d] the candidates' embeddings, `weight` [M, K] of their part, `request` [B, M, d] the request's part
    (with the bias, if any), `cand_to_user` [N] int32 non-decreasing in [0, B), all float tensors of one dtype
    (float32, float16, bfloat16) -> [N, M, d] of that dtype, accumulated in float32. `weight` may have more rows and
    columns, of zeros, as `prepare_lce_weights` makes it: a K that is no multiple of 16 costs a GPU its wide loads.
    Raises ValueError on a shape, dtype or device that does not fit; the values of `cand_to_user` are not read.
    """
    check_tensor("x", x, (-1, -1, -1), FLOATS, None)
    n, k, d = x.shape
    check_tensor("request", request, (-1, -1, d), (x.dtype,), x.device)
    b, m = request.shape[0], request.shape[1]
    check_tensor("weight", weight, (-1, -1), (x.dtype,), x.device)
    check_tensor("cand_to_user", cand_to_user, (n,), (torch.int32,), x.device)
    if weight.shape[0] < m or weight.shape[1] < k:
        raise ValueError(f"weight is {list(weight.shape)}; expected at least [{m}, {k}]")
    if n > 0 and b == 0:
        raise ValueError(f"request has no rows; {n} candidates ask for one")
    # The library has no product that adds a gathered matrix: baddbmm would first write [N, M, d] of them.
    if n * d <= MAX_COLUMNS and use_triton(x, weight, request):
        from kernels.broadcast_lce.kernel import broadcast_lce_triton

        return broadcast_lce_triton(x, weight, request, cand_to_user)
    return reference.broadcast_lce(x, weight, request, cand_to_user)
