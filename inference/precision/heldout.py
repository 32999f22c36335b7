"""Requests that a ranker has not learned from: the tensors it reads, and what became of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from inference.forward.inputs import PackedInputs
from inference.models.bundle import Bundle
from inference.protocol import RankInputs, Tier
from inference.release import Release
from inference.training.batches import Batches
from inference.training.dataset import Dataset
from inference.training.foundation import foundation_tap
from inference.training.ranker import rank_inputs
from inference.training.tiers import Pattern

BATCH_REQUESTS = 64
PAIR_COVERAGE = 0.6  # of the candidates, as in training

Logits = Callable[[RankInputs], tuple[torch.Tensor, torch.Tensor]]  # of click, and of conversion given one, each [N]


@dataclass(frozen=True, slots=True)
class Heldout:
    """One batch."""

    inputs: RankInputs  # float32, its rows rounded to the half floats that the store has
    positions: torch.Tensor  # [N] what the place in the slate adds to the logit
    clicked: torch.Tensor  # [N] float32
    weight: torch.Tensor  # [N] float32
    converted: torch.Tensor  # [N] float32
    conversion_weight: torch.Tensor  # [N] float32, 0 where nothing was clicked or the window is still open


def heldout_batches(release: Release, data: Dataset, num_requests: int) -> list[Heldout]:
    """At most `num_requests` of `data`, evenly over it."""
    num_chosen = min(num_requests, data.num_requests)
    chosen = np.linspace(0, data.num_requests - 1, num_chosen).astype(np.int64)
    return list(_batches(release.bundle, data.select(chosen)))


@torch.inference_mode()
def _batches(bundle: Bundle, data: Dataset) -> Iterator[Heldout]:
    batches = Batches(data, bundle.catalogue, bundle.sizes.history_length)
    m = len(data.cand_item)
    exact = np.random.default_rng(0).random(m) < PAIR_COVERAGE
    pattern = Pattern(
        rows=np.zeros((m, bundle.sizes.pair_width), dtype=np.float32),  # filled batch by batch
        tier=np.where(exact, int(Tier.PAIR), int(Tier.DEFAULT)),
        age_s=np.zeros(m, dtype=np.float32),
        item=np.ones(m, dtype=bool),
    )
    for batch in batches.ordered(np.arange(data.num_requests), BATCH_REQUESTS):
        found = bundle.foundation.pair_rows(foundation_tap(bundle, batch)).numpy()
        pattern.rows[batch.rows] = found * exact[batch.rows][:, None]
        yield Heldout(
            inputs=PackedInputs.of(rank_inputs(bundle, batch, pattern)).decoded(),
            positions=bundle.positions(batches.position[batch.rows]),
            clicked=batches.clicked[batch.rows],
            weight=batches.weight[batch.rows],
            converted=batches.converted[batch.rows],
            conversion_weight=batches.conversion_weight[batch.rows],
        )
