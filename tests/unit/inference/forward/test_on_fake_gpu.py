"""What a pass does on a GPU before its kernels run: it waits for nothing, stays there and launches what it should."""

from collections import Counter
from collections.abc import Mapping

import pytest
import torch

from inference.forward.buckets import Bucket
from inference.models.ranker import VARIANTS
from tests.rehearsal import KEPT, served_pass


@pytest.mark.parametrize("requests", [1, 4])
@pytest.mark.parametrize("recipes", [{}, KEPT], ids=["bf16", "fp8"])
@pytest.mark.parametrize("name", VARIANTS)
def test_the_served_pass_waits_for_nothing(name: str, recipes: Mapping[str, str], requests: int) -> None:
    variant = VARIANTS[name]
    probabilities, launched = served_pass(variant, recipes, Bucket(256, requests))
    assert (probabilities.shape, probabilities.dtype, probabilities.device.type) == ((2, 256), torch.float32, "cuda")
    assert Counter(launch.name for launch in launched) == Counter(
        gather_dequant_fwd_kernel=2,
        target_attention_fwd_kernel=variant.hops,
        broadcast_lce_fwd_kernel=variant.interactions,
        fm_broadcast_packed_fwd_kernel=variant.interactions,
        rowwise_quant_fp8_fwd_kernel=len(recipes),
        # The part of one request is the bias of the library's product, in sixteen bits and in eight.
        broadcast_linear_fwd_kernel=int(requests > 1),
    )
