"""The one training loop."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch

from inference.training.batches import Batches, RequestBatch
from inference.training.dataset import Ints
from inference.training.plan import TrainingPlan
from inference.training.progress import Progress

WARM_UP = 0.05  # share of the steps in which the rate rises
MAX_GRADIENT_NORM = 1.0


def optimise(
    stage: str,
    loss: Callable[[RequestBatch], torch.Tensor],
    parameters: Sequence[torch.nn.Parameter],
    batches: Batches,
    epochs: Sequence[Ints],
    plan: TrainingPlan,
    rate: float,
    rng: np.random.Generator,
    progress: Progress,
) -> None:
    """Minimise `loss` over the requests of each epoch; AdamW, the rate rises shortly and falls as a cosine."""
    size = plan.batch_requests
    total = sum(-(-len(requests) // size) for requests in epochs)
    if not total:
        return
    optimiser = torch.optim.AdamW(parameters, lr=rate, weight_decay=plan.weight_decay)
    steps = max(total, 2)
    if steps * WARM_UP == 1:
        steps += 1  # a rise of exactly one step is a division by zero in OneCycleLR
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=rate, total_steps=steps, pct_start=WARM_UP, cycle_momentum=False
    )
    for batch in progress.track(stage, _all(batches, epochs, size, rng), total):
        optimiser.zero_grad(set_to_none=True)
        value = loss(batch)
        torch.autograd.backward(value)
        torch.nn.utils.clip_grad_norm_(parameters, MAX_GRADIENT_NORM)
        optimiser.step()
        schedule.step()


def _all(batches: Batches, epochs: Sequence[Ints], size: int, rng: np.random.Generator) -> Iterable[RequestBatch]:
    for requests in epochs:
        yield from batches.shuffled(requests, size, rng)
