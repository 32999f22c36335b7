"""Train the towers with the standard ranker, then all variants on the rows of the finished towers."""

from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import TypeVar

import numpy as np
import torch

from inference.models.bundle import Bundle
from inference.models.ranker import DEFAULT_VARIANT
from inference.protocol import RankInputs
from inference.training.batches import Batches, RequestBatch
from inference.training.dataset import Ints
from inference.training.foundation import dropped, label_loss
from inference.training.optimise import optimise
from inference.training.plan import TrainingPlan
from inference.training.progress import Progress
from inference.training.tiers import Pattern, TierSource

NUM_PATTERNS = 4  # draws of what is missing, one for each batch by chance: a row that never changed would be learned
K = TypeVar("K", bound=Hashable)


def train_rankers(
    bundle: Bundle,
    batches: Batches,
    tiers: TierSource,
    requests: Ints,
    plan: TrainingPlan,
    rng: np.random.Generator,
    progress: Progress,
) -> None:
    """Train on `requests`; pair rows are inputs like any other and get no gradient."""
    towers = [*bundle.items.parameters(), *bundle.item_tower.parameters(), *bundle.user_tower.parameters()]
    standard = [*bundle.ranker(DEFAULT_VARIANT).parameters(), *bundle.positions.parameters()]
    patterns = [tiers.draw(plan, rng) for _ in range(NUM_PATTERNS)]

    def joint_loss(batch: RequestBatch) -> torch.Tensor:
        inputs = rank_inputs(bundle, batch, patterns[rng.integers(NUM_PATTERNS)], plan.id_dropout)
        return _loss(bundle, DEFAULT_VARIANT, _without_users(inputs, plan), batches, batch, plan)

    steps = [requests] * plan.ranker_epochs
    rate = plan.ranker_rate
    optimise("towers and ranker", joint_loss, [*towers, *standard], batches, steps, plan, rate, rng, progress)

    def heads_loss(batch: RequestBatch) -> torch.Tensor:
        with torch.no_grad():  # the towers are finished: their rows are computed once for all variants
            pattern = patterns[rng.integers(NUM_PATTERNS)]
            inputs = _without_users(rank_inputs(bundle, batch, pattern, plan.id_dropout), plan)
        losses = [_loss(bundle, variant, inputs, batches, batch, plan) for variant in bundle.rankers]
        return torch.stack(losses).sum()

    parameters = [*bundle.rankers.parameters(), *bundle.positions.parameters()]
    steps = [requests] * plan.head_epochs
    optimise("all variants", heads_loss, parameters, batches, steps, plan, rate, rng, progress)


def rank_inputs(bundle: Bundle, batch: RequestBatch, pattern: Pattern, dropout: float = 0.0) -> RankInputs:
    """What the ranker would be given for a batch: rows by the towers as they are now, misses by the pattern."""
    ids, features = bundle.known_items(bundle.items)
    past = batch.history.items
    user = bundle.user_tower(batch.history, ids[dropped(past, dropout)] + features[past])
    index = batch.cand[batch.mask]
    cand = bundle.item_tower(ids[dropped(index, dropout)], features[index])
    none = torch.zeros(0)
    inputs = RankInputs(
        user=user,
        user_mask=torch.ones(user.shape[:2], dtype=torch.bool),
        context=batch.context,
        cand=cand,
        cand_mask=torch.ones(len(cand), dtype=torch.bool),
        pair=none,
        tier=none,
        age_s=none,
        cand_to_user=batch.cand_to_user,
        user_offsets=batch.user_offsets,
    )
    return _with_misses(inputs, batch, pattern)


def _without_users(inputs: RankInputs, plan: TrainingPlan) -> RankInputs:
    absent = torch.rand(inputs.num_requests, 1) < plan.user_dropout
    return replace(inputs, user_mask=inputs.user_mask & ~absent)


def _loss(
    bundle: Bundle, variant: str, inputs: RankInputs, batches: Batches, batch: RequestBatch, plan: TrainingPlan
) -> torch.Tensor:
    click, conversion = bundle.ranker(variant)(inputs)
    click = click + bundle.positions(batches.position[batch.rows])
    return label_loss(click, conversion, batches, batch.rows, plan)


@torch.no_grad()
def ranker_logits(
    bundle: Bundle, batches: Batches, cases: Mapping[K, tuple[str, Pattern]], requests: Ints
) -> dict[K, torch.Tensor]:
    """Logits of a click, positions included, of every candidate of `requests`, [N] per case (variant and pattern)."""
    logits: dict[K, list[torch.Tensor]] = {name: [] for name in cases}
    for batch in batches.ordered(requests, 256):
        inputs: RankInputs | None = None
        positions = bundle.positions(batches.position[batch.rows])
        for name, (variant, pattern) in cases.items():
            inputs = rank_inputs(bundle, batch, pattern) if inputs is None else _with_misses(inputs, batch, pattern)
            click, _ = bundle.ranker(variant)(inputs)
            logits[name].append(click + positions)
    return {name: torch.cat(parts) for name, parts in logits.items()}


def _with_misses(inputs: RankInputs, batch: RequestBatch, pattern: Pattern) -> RankInputs:
    parts = (pattern.rows, pattern.tier, pattern.age_s, pattern.item)
    pair, tier, age_s, item = (torch.from_numpy(part[batch.rows]) for part in parts)
    return replace(inputs, pair=pair, tier=tier.to(torch.int32), age_s=age_s, cand_mask=item)
