"""A norm and a linear over [request ; candidate], with everything of the request done once per request.

With x of D features, weight `W`, the norm's `gamma` and `beta`, and `G = W * gamma`:

    W @ (gamma * (x - mean) * rstd + beta) + bias = rstd * (G @ x - mean * G @ 1) + (W @ beta + bias)

`G @ x` splits into both parts as any linear does, and mean and rstd of a concatenation follow from the moments of its
parts. Exact in real arithmetic. The part of the request stays in float32: where the mean is much larger than the
deviation, `G @ x` and `mean * G @ 1` cancel, and rounding one of them to 16 bits would show.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from kernels.broadcast_linear.epilogue import Normed
from kernels.checks import FLOATS, check_integer, check_tensor


@dataclass(frozen=True, slots=True)
class NormedWeights:
    """A LayerNorm or RMSNorm (`gain` None) and the linear behind it, folded and split."""

    candidate: torch.Tensor  # [H, K_c] in the weight's dtype
    request: torch.Tensor  # [H, K_r] float32
    gain: torch.Tensor  # [H] float32: G @ 1
    offset: torch.Tensor  # [H] float32: W @ beta + bias
    centred: bool  # LayerNorm
    eps: float


@dataclass(frozen=True, slots=True)
class Moments:
    """Of every row of one part: `mean` and `deviation` [rows], the sum of squares around the mean, of `width` each."""

    mean: torch.Tensor
    deviation: torch.Tensor
    width: int


def fold_norm(
    weight: torch.Tensor,
    num_request: int,
    gamma: torch.Tensor,
    beta: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    *,
    centred: bool = True,
    eps: float = 1e-5,
) -> NormedWeights:
    """Fold `gamma` and `beta` [K_r + K_c] and `bias` [H] into `weight` [H, K_r + K_c], once, when a model is loaded.

    The first `num_request` = K_r columns read the request. `centred` False is an RMSNorm. Strides are free.
    Raises ValueError on a shape, dtype or device that does not fit, and if there are fewer columns than that.
    """
    check_tensor("weight", weight, (-1, -1), FLOATS, None, strided=True)
    h, k = weight.shape
    check_tensor("gamma", gamma, (k,), FLOATS, weight.device, strided=True)
    if beta is not None:
        check_tensor("beta", beta, (k,), FLOATS, weight.device, strided=True)
    if bias is not None:
        check_tensor("bias", bias, (h,), FLOATS, weight.device, strided=True)
    check_integer("num_request", num_request, 0, k)
    wide = torch.promote_types(weight.dtype, torch.float32)
    folded = weight.to(wide) * gamma.to(wide)
    offset = torch.zeros(weight.shape[0], dtype=wide, device=weight.device)
    if beta is not None:
        offset = offset + weight.to(wide) @ beta.to(wide)
    if bias is not None:
        offset = offset + bias.to(wide)
    candidate = folded[:, num_request:].to(weight.dtype).contiguous()
    request = folded[:, :num_request].contiguous()
    gain = request.sum(1) + candidate.to(wide).sum(1)  # of the rounded weights: they are what is multiplied
    return NormedWeights(candidate, request, gain, offset, centred, eps)


def moments(x: torch.Tensor) -> Moments:
    """Of the rows of `x` [rows, width], at least in float32. Those of an item can be kept beside its row."""
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    mean = wide.sum(1) / max(x.shape[1], 1)
    return Moments(mean, (wide - mean[:, None]).square().sum(1), x.shape[1])


def normed_parts(
    x: torch.Tensor,
    x_request: torch.Tensor,
    weights: NormedWeights,
    cand_to_user: torch.Tensor,
    candidate: Moments | None = None,
) -> tuple[torch.Tensor, Normed]:
    """`request` and `epilogue` with which `broadcast_linear(x, weights.candidate, ...)` is the norm and the linear.

    `x` [N, K_c], `x_request` [B, K_r], `cand_to_user` [N] as there; `candidate` the moments of x, if they are known.
    """
    of_x = candidate or moments(x)
    of_request = moments(x_request)
    width = of_x.width + of_request.width
    request_mean = of_request.mean.index_select(0, cand_to_user)
    apart = of_x.mean - request_mean
    # Of the union of two groups; adding sums of squares and subtracting the mean's would cancel.
    deviation = of_x.deviation + of_request.deviation.index_select(0, cand_to_user)
    deviation = deviation + apart.square() * (of_x.width * of_request.width / width)
    mean = (of_x.mean * of_x.width + request_mean * of_request.width) / width
    square = deviation / width if weights.centred else deviation / width + mean.square()
    rstd = torch.rsqrt(square + weights.eps)
    request = F.linear(x_request.to(weights.request.dtype), weights.request)
    return request, Normed(rstd, mean if weights.centred else None, weights.gain, weights.offset)
