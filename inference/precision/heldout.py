"""Requests that a ranker has not learned from, as the tensors it reads, and the log loss over them."""

from collections.abc import Callable, Iterator, Sequence
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

Clicks = Callable[[RankInputs], torch.Tensor]  # [N] the logits of a click


@dataclass(frozen=True, slots=True)
class Heldout:
    """One batch."""

    inputs: RankInputs  # float32, its rows rounded to the half floats that the store has
    positions: torch.Tensor  # [N] what the place in the slate adds to the logit
    clicked: torch.Tensor  # [N] float32
    weight: torch.Tensor  # [N] float32


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
        )


@torch.inference_mode()
def request_losses(clicks: Clicks, batches: Sequence[Heldout]) -> torch.Tensor:
    """[R] float64: of every request the weighted sum over its candidates."""
    sums = []
    for batch in batches:
        losses = torch.nn.functional.binary_cross_entropy_with_logits(
            (clicks(batch.inputs) + batch.positions).double(), batch.clicked.double(), reduction="none"
        )
        zeros = torch.zeros(batch.inputs.num_requests, dtype=torch.float64)
        sums.append(zeros.index_add(0, batch.inputs.cand_to_user, losses * batch.weight))
    return torch.cat(sums)
