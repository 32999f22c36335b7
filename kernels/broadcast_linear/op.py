"""The ops: checks, then the form that is fastest for these tensors."""

import torch
import torch.nn.functional as F

from kernels.backend import use_triton
from kernels.broadcast_linear import reference
from kernels.broadcast_linear.dispatch import Form, form_for
from kernels.broadcast_linear.epilogue import Epilogue, Normed, check_epilogue, tensors_of
from kernels.checks import FLOATS, check_choice, check_tensor
from kernels.rowwise_quant_fp8.linear import scaled_product


def broadcast_linear(
    x: torch.Tensor,
    weight: torch.Tensor,
    request: torch.Tensor,
    cand_to_user: torch.Tensor,
    *,
    activation: str = "none",
    epilogue: Epilogue | None = None,
) -> torch.Tensor:
    """A linear over the concatenation of a request's features and a candidate's, with the request's part done before.

    With `W = [W_r ; W_c]`: `W [x_r ; x_c] + b = x_c @ W_c.T + (x_r @ W_r.T + b)`, exact in real arithmetic; the
    bracket is computed once per request, so B requests with N candidates cost `B * K_r + N * K_c` instead of
    `N * (K_r + K_c)` multiply-adds per output. Source: in-kernel broadcast (Meta's IKBO and Adaptive Ranking Model).

    `x` [N, K] candidate features, `weight` [H, K] of their part (as in nn.Linear), `request` [B, H] the request's
    part with the bias, `cand_to_user` [N] int32 non-decreasing in [0, B), all float tensors of one dtype (float32,
    float16, bfloat16; `request` may be float32 beside any) -> [N, H] of x's dtype, accumulated in float32.
    `epilogue` (`epilogue.py`) is applied to the sum, then `activation`: none, relu, silu, hardswish.
    Any K is right; one that is no multiple of 16 bytes costs a GPU its wide loads: pad x and weight with zeros.
    Raises ValueError on a shape, dtype or device that does not fit; the values of `cand_to_user` are not read.
    """
    check_tensor("x", x, (-1, -1), FLOATS, None)
    check_tensor("weight", weight, (-1, x.shape[1]), (x.dtype,), x.device)
    _check_outputs(x, weight, request, cand_to_user, (x.dtype, torch.float32), activation, epilogue)
    if not use_triton(x, weight, request, *tensors_of(epilogue)):
        return reference.broadcast_linear(x, weight, request, cand_to_user, activation, epilogue)
    from kernels.broadcast_linear.kernel import broadcast_linear_triton, finish_triton

    finishing = activation != "none" or epilogue is not None or request.dtype != x.dtype
    cancelling = isinstance(epilogue, Normed)
    match form_for(request.shape[0], x.shape[1], x.element_size(), finishing, cancelling):
        case Form.LIBRARY:
            return F.linear(x, weight, request[0])
        case Form.SPLIT:
            return finish_triton(F.linear(x, weight), request, cand_to_user, activation, epilogue)
        case Form.FUSED:
            return broadcast_linear_triton(x, weight, request, cand_to_user, activation, epilogue)


def broadcast_linear_fp8(
    x: torch.Tensor,
    x_scale: torch.Tensor,
    weight: torch.Tensor,
    weight_scale: torch.Tensor,
    request: torch.Tensor,
    cand_to_user: torch.Tensor,
    *,
    activation: str = "none",
    epilogue: Epilogue | None = None,
) -> torch.Tensor:
    """`broadcast_linear` over candidates and weights in eight bits, with a scale for each of their rows.

    `x` [N, K] and `weight` [H, K] float8_e4m3fn stand for `x * x_scale[:, None]` and `weight * weight_scale[:, None]`,
    scales [N] and [H] float32; the others as there, `request` in float32, float16 or bfloat16 -> [N, H] of its dtype.
    K should be a multiple of 16: rows of other lengths cannot be loaded in 128 bits.
    """
    check_tensor("x", x, (-1, -1), (torch.float8_e4m3fn,), None)
    check_tensor("x_scale", x_scale, (x.shape[0],), (torch.float32,), x.device)
    check_tensor("weight", weight, (-1, x.shape[1]), (x.dtype,), x.device)
    check_tensor("weight_scale", weight_scale, (weight.shape[0],), (torch.float32,), x.device)
    _check_outputs(x, weight, request, cand_to_user, FLOATS, activation, epilogue)
    if not use_triton(x, x_scale, weight, weight_scale, request, *tensors_of(epilogue)):
        return reference.broadcast_linear_fp8(
            x, x_scale, weight, weight_scale, request, cand_to_user, activation, epilogue
        )
    if request.shape[0] == 1 and activation == "none" and epilogue is None and _scaled_mm_takes(x, weight, request):
        return scaled_product(x, x_scale[:, None], weight, weight_scale[None, :], request[0])
    from kernels.broadcast_linear.kernel import broadcast_linear_triton

    scales = (x_scale, weight_scale)
    return broadcast_linear_triton(x, weight, request, cand_to_user, activation, epilogue, scales)


def _scaled_mm_takes(x: torch.Tensor, weight: torch.Tensor, request: torch.Tensor) -> bool:
    """The library's fp8 product with row scales knows bfloat16 and multiples of 16 alone."""
    (n, k), h = x.shape, weight.shape[0]
    return request.dtype is torch.bfloat16 and n > 0 and k > 0 and k % 16 == 0 and h % 16 == 0


def _check_outputs(
    x: torch.Tensor,
    weight: torch.Tensor,
    request: torch.Tensor,
    cand_to_user: torch.Tensor,
    request_dtypes: tuple[torch.dtype, ...],
    activation: str,
    epilogue: Epilogue | None,
) -> None:
    n, h = x.shape[0], weight.shape[0]
    check_tensor("request", request, (-1, h), request_dtypes, x.device)
    check_tensor("cand_to_user", cand_to_user, (n,), (torch.int32,), x.device)
    if n > 0 and request.shape[0] == 0:
        raise ValueError(f"request has no rows; {n} candidates ask for one")
    check_choice("activation", activation, reference.ACTIVATIONS)
    out = request.dtype if x.dtype is torch.float8_e4m3fn else x.dtype
    check_epilogue(epilogue, n, h, out, x.device)
