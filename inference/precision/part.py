"""A part of the held-out requests, and what the ranker in float32 says of it: what everything else is held against."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from inference.precision.changes import Changes, change_of
from inference.precision.heldout import Heldout, Logits
from inference.precision.tops import SameTop, same_top, served_scores

FEWEST_CONVERSIONS = 10  # of a part: of fewer a standard error is a guess


class Part:
    """R requests with N candidates."""

    def __init__(
        self, batches: Sequence[Heldout], exact: Logits, conversion_weight: float, *, judges_conversion: bool
    ) -> None:
        """`conversion_weight` is that of the served score; `judges_conversion`: see `enough_conversions`."""
        self._batches, self._conversion_weight, self._judges_conversion = batches, conversion_weight, judges_conversion
        counts = torch.cat([batch.inputs.user_offsets.diff() for batch in batches]).long()
        self.offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)]).numpy()  # [R + 1]
        self._request = torch.repeat_interleave(torch.arange(len(counts)), counts)  # [N]
        positions = torch.cat([batch.positions for batch in batches])
        self._shift = torch.stack([positions, torch.zeros_like(positions)])  # [2, N]; a conversion knows no place
        self._labels = torch.cat([torch.stack([batch.clicked, batch.converted]) for batch in batches], 1).double()
        self._weight = torch.cat([torch.stack([batch.weight, batch.conversion_weight]) for batch in batches], 1)
        self.exact = self.logits(exact)

    @torch.inference_mode()
    def logits(self, compute: Logits) -> torch.Tensor:
        """[2, N] float64 of click and conversion, for a candidate in the first place."""
        return torch.cat([torch.stack(compute(batch.inputs)) for batch in self._batches], dim=1).double()

    def changes(self, logits: torch.Tensor, base: torch.Tensor | None = None) -> Changes:
        """Of the log losses of `logits` from those of `base`, else from float32."""
        losses, before = self._losses(logits), self._losses(self.exact if base is None else base)
        conversion = change_of(losses[1], before[1]) if self._judges_conversion else None
        return Changes(change_of(losses[0], before[0]), conversion)

    def same_top(self, logits: torch.Tensor) -> SameTop:
        """What is left of the order in float32."""
        found, before = (served_scores(one, self._conversion_weight) for one in (logits, self.exact))
        return same_top(found, before, self.offsets)

    def log_losses(self) -> tuple[float, float | None]:
        """Means in float32, of a click and of a conversion; None where that is not judged."""
        click, conversion = (self._losses(self.exact).sum(1) / self._weight.sum(1)).tolist()
        return click, conversion if self._judges_conversion else None

    def _losses(self, logits: torch.Tensor) -> torch.Tensor:
        """[2, R]: of every request the weighted sums over its candidates."""
        losses = F.binary_cross_entropy_with_logits(logits + self._shift, self._labels, reduction="none") * self._weight
        return losses.new_zeros(2, len(self.offsets) - 1).index_add(1, self._request, losses)


def num_conversions(batches: Sequence[Heldout]) -> int:
    """Of the clicked, as far as their windows have closed."""
    return sum(int((batch.converted * batch.conversion_weight > 0).sum()) for batch in batches)


def enough_conversions(parts: Sequence[Sequence[Heldout]]) -> bool:
    """Whether the conversion head can be judged on every one of them."""
    return min(map(num_conversions, parts)) >= FEWEST_CONVERSIONS
