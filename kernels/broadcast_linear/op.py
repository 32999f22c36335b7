"""The op: checks, then the form that is fastest for these tensors."""

import torch

from kernels.backend import use_triton
from kernels.broadcast_linear import reference
from kernels.checks import FLOATS, check_choice, check_tensor


def broadcast_linear(
    x: torch.Tensor,
    weight: torch.Tensor,
    request: torch.Tensor,
    cand_to_user: torch.Tensor,
    *,
    activation: str = "none",
) -> torch.Tensor:
    """A linear over the concatenation of a request's features and a candidate's, with the request's part done before.

    With `W = [W_r ; W_c]`: `W [x_r ; x_c] + b = x_c @ W_c.T + (x_r @ W_r.T + b)`, exact in real arithmetic; the
    bracket is computed once per request, so B requests with N candidates cost `B * K_r + N * K_c` instead of
    `N * (K_r + K_c)` multiply-adds per output. Source: in-kernel broadcast (Meta's IKBO and Adaptive Ranking Model).

    `x` [N, K] candidate features, `weight` [H, K] of their part (as in nn.Linear), `request` [B, H] the request's
    part with the bias, `cand_to_user` [N] int32 non-decreasing in [0, B), all float tensors of one dtype (float32,
    float16, bfloat16) -> [N, H] of that dtype, accumulated in float32. `activation`: none, relu, silu, hardswish.
    Raises ValueError on a shape, dtype or device that does not fit; the values of `cand_to_user` are not read.
    """
    n, k = x.shape
    h, b = weight.shape[0], request.shape[0]
    check_tensor("x", x, (n, k), FLOATS, x.device)
    check_tensor("weight", weight, (h, k), (x.dtype,), x.device)
    check_tensor("request", request, (b, h), (x.dtype,), x.device)
    check_tensor("cand_to_user", cand_to_user, (n,), (torch.int32,), x.device)
    check_choice("activation", activation, reference.ACTIVATIONS)
    # One request: its part is a bias and the library's matrix product adds it in its own epilogue.
    if b != 1 and use_triton(x, weight, request):
        from kernels.broadcast_linear.kernel import broadcast_linear_triton

        return broadcast_linear_triton(x, weight, request, cand_to_user, activation)
    return reference.broadcast_linear(x, weight, request, cand_to_user, activation)
