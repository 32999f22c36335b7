"""Random groups of linears, and what they compute, written naively."""

from collections.abc import Sequence

import torch

from kernels.broadcast_linear.reference import ACTIVATIONS, activate
from kernels.grouped_linear.packed import PackedLinears


class Groups:
    """`shapes` are (K_g, H_g); activations take turns; every third group has no bias."""

    def __init__(
        self, shapes: Sequence[tuple[int, int]], dtype: torch.dtype, device: torch.device, seed: int = 0
    ) -> None:
        self._generator = torch.Generator().manual_seed(seed)
        self._dtype, self._device = dtype, device
        self.widths_in = [k for k, _ in shapes]
        self.weights = [self.normal(h, k) / k**0.5 for k, h in shapes]
        self.biases = [self.normal(h) if g % 3 != 2 else None for g, (_, h) in enumerate(shapes)]
        self.activations = [ACTIVATIONS[g % len(ACTIVATIONS)] for g in range(len(shapes))]

    def normal(self, *shape: int) -> torch.Tensor:
        """Fresh values, never zeros."""
        return torch.randn(*shape, generator=self._generator).to(self._device, self._dtype)

    def rows(self, n: int) -> torch.Tensor:
        """[N, sum K_g]."""
        return self.normal(n, sum(self.widths_in))

    def packed(self, tile: int | None = None) -> PackedLinears:
        """All of it, packed."""
        return PackedLinears.pack(self.weights, self.biases, self.activations, tile)

    def exact(self, x: torch.Tensor) -> torch.Tensor:
        """One group after the other in float64."""
        outs = []
        for g, part in enumerate(torch.split(x.double(), self.widths_in, dim=1)):
            bias = self.biases[g]
            y = part @ self.weights[g].double().T + (0.0 if bias is None else bias.double())
            outs.append(activate(y, self.activations[g]))
        return torch.cat(outs, dim=1)
