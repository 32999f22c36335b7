"""The definition, in plain PyTorch, on any device."""

import torch
import torch.nn.functional as F

from kernels.broadcast_linear.reference import activate

PRES = ("none", "rms", "silu", "hardswish")
E4M3 = torch.float8_e4m3fn
E4M3_MAX = 448.0
LEAST = 1e-30  # of a row's largest magnitude: its scale and the scale's inverse stay normal float32 numbers
EPS = 1e-6  # added to the mean square


def rowwise_quant_fp8(
    x: torch.Tensor, pre: str = "none", width: int | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """See `op.rowwise_quant_fp8`."""
    y = before(x, pre)
    largest = y.abs().amax(dim=1, keepdim=True) if y.shape[1] else y.new_zeros(len(y), 1)
    finite = largest < torch.inf  # false for NaN as well
    values, scale = scaled(y, largest)
    values = torch.where(finite, values, 0.0)
    scale = torch.where(finite, scale, torch.nan).squeeze(1)
    return F.pad(values, (0, (width or y.shape[1]) - y.shape[1])).to(E4M3), scale.float()


def scaled(y: torch.Tensor, largest: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """`y` as multiples of the scale that makes `largest` the largest e4m3 number, and that scale."""
    largest = largest.clamp(min=LEAST)
    top = torch.full_like(largest, E4M3_MAX)  # a GPU divides by a Python number as by its inverse: other bits
    # Clamped before the cast: PyTorch's own saturates in some versions only.
    return (y * (top / largest)).clamp(-E4M3_MAX, E4M3_MAX), largest / top


def before(x: torch.Tensor, pre: str) -> torch.Tensor:
    """One of PRES, in float32 (float64 stays)."""
    y = x if x.dtype is torch.float64 else x.float()
    if pre == "rms":
        mean = y.square().mean(dim=1, keepdim=True)
        return y * torch.rsqrt(torch.where(mean < torch.inf, mean, torch.nan) + EPS)  # not zeros by overflow
    return activate(y, pre)
