"""A ranker as a GPU serves it: the forward pass itself, in bf16 but for what its recipes name."""

from collections.abc import Callable, Mapping

import torch

from inference.forward.arena import InputWidths
from inference.forward.forward import Forward
from inference.forward.inputs import PackedInputs
from inference.manifest import Manifest
from inference.models.ranker import Ranker
from inference.precision.heldout import Logits
from inference.protocol import RankInputs

NEXT_TO_ONE = 2.0**-24  # the largest float32 below 1 is as far from it: 1 itself has no logit

Serve = Callable[[Ranker, Mapping[str, str]], Logits]


def as_served(manifest: Manifest, device: torch.device) -> Serve:
    """Serves rankers of a release on `device`; a CPU has the same number formats, and sums of its own."""
    widths = InputWidths.of(manifest.sizes)

    def serve(ranker: Ranker, recipes: Mapping[str, str]) -> Logits:
        forward = Forward(ranker, widths, device, torch.bfloat16, recipes)

        def logits(inputs: RankInputs) -> tuple[torch.Tensor, torch.Tensor]:
            scored = forward.score(PackedInputs.of(inputs))
            click, conversion = (torch.logit(p.double(), NEXT_TO_ONE) for p in (scored.p_click, scored.p_conversion))
            return click, conversion

        return logits

    return serve
