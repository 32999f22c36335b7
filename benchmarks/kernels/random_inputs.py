"""What the inputs of most cases are made of."""

from collections.abc import Callable

import torch


def normals(generator: torch.Generator | None, device: torch.device, dtype: torch.dtype) -> Callable[..., torch.Tensor]:
    """`normal(*shape, scale=1.0)`: a tensor of normally distributed numbers with standard deviation `scale`."""

    def normal(*shape: int, scale: float = 1.0) -> torch.Tensor:
        return (torch.randn(*shape, generator=generator, device=device) * scale).to(dtype)

    return normal


def even_shares(n: int, b: int, device: torch.device) -> torch.Tensor:
    """[N] int32: which of B requests each of N candidates belongs to, as evenly as it goes."""
    return (torch.arange(n, device=device) * b // n).to(torch.int32)
