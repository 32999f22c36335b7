"""How far the log loss of a ranker moves when it is computed in another way than in float32."""

from collections.abc import Sequence

import torch

from inference.precision.heldout import Clicks, Heldout, request_losses


class Losses:
    """Held-out requests, and what the ranker in float32 loses on each: what everything else is held against."""

    def __init__(self, batches: Sequence[Heldout], exact: Clicks) -> None:
        self._batches = batches
        self.exact = request_losses(exact, batches)  # [R]
        halves = [torch.full((batch.inputs.num_requests,), index % 2) for index, batch in enumerate(batches)]
        self._half = torch.cat(halves)

    def of(self, clicks: Clicks) -> torch.Tensor:
        """[R] float64."""
        return request_losses(clicks, self._batches)

    def change(self, losses: torch.Tensor, base: torch.Tensor | None = None) -> float:
        """Relative change of `losses` from `base`, else from float32; NaN if either has one.

        It is the larger one, by its size, of two halves of the requests: errors of different sites that cancel on some
        requests do not on others.
        """
        base = self.exact if base is None else base
        parts = [self._half == half for half in (0, 1)]
        changes = torch.stack([(losses[part].sum() - base[part].sum()) / base[part].sum() for part in parts])
        return float(changes[changes.abs().argmax()])  # of a NaN and a number it finds the NaN

    def error(self, losses: torch.Tensor, base: torch.Tensor | None = None) -> float:
        """One standard error of the change over all requests."""
        base = self.exact if base is None else base
        return float((losses - base).norm() / base.sum())
