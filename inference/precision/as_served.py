"""A ranker as a GPU serves it: the forward pass itself, in bf16 but for what its recipes name."""

from collections.abc import Callable, Mapping

import torch

from inference.forward.arena import InputWidths
from inference.forward.forward import Forward
from inference.forward.inputs import PackedInputs
from inference.manifest import Manifest
from inference.models.ranker import Ranker
from inference.precision.heldout import Clicks
from inference.protocol import RankInputs

Serve = Callable[[Ranker, Mapping[str, str]], Clicks]


def as_served(manifest: Manifest, device: torch.device) -> Serve:
    """Serves rankers of a release on `device`; a CPU has the same number formats, and sums of its own."""
    widths = InputWidths.of(manifest.sizes)

    def serve(ranker: Ranker, recipes: Mapping[str, str]) -> Clicks:
        forward = Forward(ranker, widths, device, torch.bfloat16, recipes)

        def clicks(inputs: RankInputs) -> torch.Tensor:
            return torch.logit(forward.score(PackedInputs.of(inputs)).p_click)

        return clicks

    return serve
