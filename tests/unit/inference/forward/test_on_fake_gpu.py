"""What a pass does on a GPU before its kernels run: it waits for nothing, stays there and launches what it should."""

from collections import Counter
from collections.abc import Mapping

import pytest
import torch

from inference.forward.arena import InputWidths
from inference.forward.buckets import Bucket
from inference.forward.forward import Forward
from inference.models.ranker import VARIANTS, Ranker
from inference.models.sizes import Sizes
from inference.precision.recipes import ROWWISE, by_recipes
from tests.fake_gpu import fake_gpu, put_on_fake_gpu

SIZES = Sizes()
KEPT = {"from_candidate": ROWWISE, "blocks.0.layers.1": ROWWISE}


@pytest.mark.parametrize("requests", [1, 4])
@pytest.mark.parametrize("recipes", [{}, KEPT], ids=["bf16", "fp8"])
@pytest.mark.parametrize("name", VARIANTS)
def test_the_served_pass_waits_for_nothing(name: str, recipes: Mapping[str, str], requests: int) -> None:
    variant = VARIANTS[name]
    forward = Forward(Ranker(SIZES, variant), InputWidths.of(SIZES), torch.device("cpu"), torch.bfloat16)
    arena = forward.arena(Bucket(256, requests))
    with fake_gpu() as launched:
        put_on_fake_gpu(forward._ranker)
        put_on_fake_gpu(arena)
        forward._ranker = by_recipes(forward._ranker, recipes)
        launched.clear()
        probabilities = forward.probabilities(arena)
    assert (probabilities.shape, probabilities.dtype, probabilities.device.type) == ((2, 256), torch.float32, "cuda")
    assert launched == Counter(
        gather_dequant_fwd_kernel=2,
        target_attention_fwd_kernel=variant.hops,
        broadcast_lce_fwd_kernel=variant.interactions,
        fm_broadcast_packed_fwd_kernel=variant.interactions,
        rowwise_quant_fp8_fwd_kernel=len(recipes),
        # The part of one request is the bias of the library's product, in sixteen bits and in eight.
        broadcast_linear_fwd_kernel=int(requests > 1),
    )
