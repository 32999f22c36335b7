"""How far a product is from the float32 one."""

import math
from dataclasses import dataclass

import torch

NO_NOISE_DB = 300.0  # in place of infinity, which JSON does not have


@dataclass(frozen=True, slots=True)
class KernelError:
    """Of one site under one recipe."""

    mere: float  # mean of |found - exact| / |exact| over all outputs: what is small counts as much as what is large
    frobenius: float  # |found - exact| / |exact| of all outputs together
    sqnr_db: float  # power of the signal over that of the noise, in decibels


def kernel_error(found: torch.Tensor, exact: torch.Tensor) -> KernelError:
    """Of two tensors of one shape. Exact zeros do not count in `mere`; where all are zeros it is `frobenius`."""
    found, exact = found.double(), exact.double()
    difference = (found - exact).abs()
    norm = float(exact.norm())
    relative = float(difference.norm()) / norm if norm else 0.0 if not difference.any() else math.inf
    known = exact != 0
    mere = float((difference[known] / exact[known].abs()).mean()) if known.any() else relative
    return KernelError(mere, relative, -20 * math.log10(relative) if relative else NO_NOISE_DB)
