"""Train the foundation model prequentially, so that no pair row was written by a model that had seen its label.

1. Train on the first part of the requests, in time.
2. Fit the projector on it, once.
3. Block by block: write the block's pair rows, then train on the block with as many earlier requests, at a low rate.

Rows of the first part have none. Each row is written twice: from the whole history, and as it would have been served
had the user gone on since, from a history that lacks the newest events.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from inference.models.bundle import Bundle
from inference.training.batches import Batches, RequestBatch
from inference.training.behind import ages_s, cut_before, draw_lacking
from inference.training.dataset import Dataset, Flags, Floats, Ints
from inference.training.optimise import optimise
from inference.training.plan import TrainingPlan
from inference.training.progress import Progress

PROJECTOR_REQUESTS = 2_000
DRIFT_REQUESTS = 200


@dataclass(frozen=True, slots=True)
class PairTable:
    """Pair rows of the M candidates of a data set."""

    rows: Floats  # [M, P]
    present: Flags  # [M]
    age_s: Floats  # [M] as `RankInputs` has it: 0 where the row lacks nothing of what the user did


@dataclass(frozen=True, slots=True)
class PairTables:
    """The pair rows of a data set from whole histories, and from such as lack what the user did last."""

    current: PairTable
    behind: PairTable


@dataclass(frozen=True, slots=True)
class FoundationReport:
    """What went on; log losses per row of the blocks."""

    kept_variance: float  # share of the tapped layer's variance in the pair row
    prequential_log_loss: float  # on rows when they were written
    in_sample_log_loss: float  # on the same rows by the final model
    drift_r2: list[float]  # how well a linear map of the final rows gives those of each block's model

    @property
    def gate(self) -> float:
        """Prequential - in-sample: .05 to .07 was harmless, .10 made rankers trust their pair rows too much."""
        return self.prequential_log_loss - self.in_sample_log_loss


def train_foundation(
    bundle: Bundle, batches: Batches, requests: Ints, plan: TrainingPlan, rng: np.random.Generator, progress: Progress
) -> tuple[PairTables, FoundationReport]:
    """Train on `requests` (in time order) and return the pair rows of all but their first part."""
    data, model = batches.data, bundle.foundation
    first = int(len(requests) * plan.first_share)
    blocks = np.array_split(requests[first:], plan.num_blocks)
    parameters = [*model.parameters(), *bundle.foundation_items.parameters(), *bundle.foundation_positions.parameters()]
    loss = foundation_loss(bundle, batches, plan)

    steps = [requests[:first]] * plan.foundation_epochs
    optimise("foundation model", loss, parameters, batches, steps, plan, plan.foundation_rate, rng, progress)
    sample = rng.choice(requests[:first], min(PROJECTOR_REQUESTS, first), replace=False)
    kept = model.projector.fit(torch.cat([foundation_tap(bundle, batch) for batch in batches.ordered(sample, 256)]))

    cut_ms = cut_before(data, draw_lacking(data.num_requests, rng))
    width = bundle.sizes.pair_width
    whole = np.zeros(data.num_requests, dtype=np.float32)
    written = PairTables(_no_rows(data, whole, width), _no_rows(data, ages_s(data, cut_ms), width))
    probe = rng.choice(requests[:first], min(DRIFT_REQUESTS, first), replace=False)
    snapshots, written_loss = [], []
    for number, block in enumerate(blocks, start=1):
        snapshots.append(_rows(bundle, batches, probe))
        for batch in batches.ordered(block, 256):
            tap = foundation_tap(bundle, batch)
            _write(written.current, batch, model.pair_rows(tap))
            written_loss.append(_log_losses(bundle, batches, batch, tap))
        for batch in batches.ordered(block, 256, cut_ms):
            _write(written.behind, batch, model.pair_rows(foundation_tap(bundle, batch)))
        replayed = rng.choice(requests[: first + len(block) * (number - 1)], min(len(block), first), replace=False)
        mixed = [np.concatenate([block, replayed])]
        optimise(f"foundation block {number}", loss, parameters, batches, mixed, plan, plan.block_rate, rng, progress)
    final = _rows(bundle, batches, probe)
    again = [
        _log_losses(bundle, batches, batch, foundation_tap(bundle, batch))
        for batch in batches.ordered(requests[first:], 256)
    ]
    report = FoundationReport(
        kept_variance=kept,
        prequential_log_loss=float(torch.cat(written_loss).mean()),
        in_sample_log_loss=float(torch.cat(again).mean()),
        drift_r2=[_ridge_r2(final, snapshot) for snapshot in snapshots],
    )
    return written, report


def foundation_loss(bundle: Bundle, batches: Batches, plan: TrainingPlan) -> Callable[[RequestBatch], torch.Tensor]:
    """The loss of one batch: clicks, and conversions where they are known."""

    def loss(batch: RequestBatch) -> torch.Tensor:
        ids, features = bundle.known_items(bundle.foundation_items)
        tap = _tap(bundle, batch, ids, features, plan.id_dropout)
        click, conversion = bundle.foundation.logits(tap)
        click = click + bundle.foundation_positions(batches.position[batch.rows])
        return label_loss(click, conversion, batches, batch.rows, plan)

    return loss


def label_loss(
    click: torch.Tensor, conversion: torch.Tensor, batches: Batches, rows: torch.Tensor, plan: TrainingPlan
) -> torch.Tensor:
    """Mean log loss of clicks plus a share of that of conversions; logits [N]."""
    of_clicks = F.binary_cross_entropy_with_logits(click, batches.clicked[rows], weight=batches.weight[rows])
    weight = batches.conversion_weight[rows]
    of_conversions = F.binary_cross_entropy_with_logits(conversion, batches.converted[rows], weight=weight)
    return of_clicks + plan.conversion_loss * of_conversions * len(rows) / weight.sum().clamp(min=1.0)


@torch.no_grad()
def foundation_tap(bundle: Bundle, batch: RequestBatch) -> torch.Tensor:
    """The tapped layer of every candidate of a batch, [N, W]."""
    return _tap(bundle, batch, *bundle.known_items(bundle.foundation_items), dropout=0.0)


def _tap(
    bundle: Bundle, batch: RequestBatch, ids: torch.Tensor, features: torch.Tensor, dropout: float
) -> torch.Tensor:
    past, cand = dropped(batch.history.items, dropout), dropped(batch.cand, dropout)
    history = ids[past] + features[batch.history.items]
    tap = bundle.foundation(batch.history, history, cand, ids[cand], features[batch.cand])
    chosen: torch.Tensor = tap[batch.mask]
    return chosen


def dropped(index: torch.Tensor, share: float) -> torch.Tensor:
    """`index` with a share of its entries set to 0, the row of dropped ids."""
    return index if share == 0.0 else index * (torch.rand(index.shape) >= share)


def _no_rows(data: Dataset, age_s: Floats, pair_width: int) -> PairTable:
    m = len(data.cand_item)
    return PairTable(np.zeros((m, pair_width), np.float32), np.zeros(m, bool), age_s[data.cand_request])


def _write(table: PairTable, batch: RequestBatch, rows: torch.Tensor) -> None:
    table.rows[batch.rows] = rows.numpy()
    table.present[batch.rows] = True


def _rows(bundle: Bundle, batches: Batches, requests: Ints) -> torch.Tensor:
    taps = [foundation_tap(bundle, batch) for batch in batches.ordered(requests, 256)]
    return bundle.foundation.pair_rows(torch.cat(taps))


@torch.no_grad()
def foundation_logits(bundle: Bundle, batches: Batches, requests: Ints) -> torch.Tensor:
    """Logits of a click, positions included, for every candidate of `requests`, [N]."""
    logits = []
    for batch in batches.ordered(requests, 256):
        click, _ = bundle.foundation.logits(foundation_tap(bundle, batch))
        logits.append(click + bundle.foundation_positions(batches.position[batch.rows]))
    return torch.cat(logits)


@torch.no_grad()
def _log_losses(bundle: Bundle, batches: Batches, batch: RequestBatch, tap: torch.Tensor) -> torch.Tensor:
    click, _ = bundle.foundation.logits(tap)
    click = click + bundle.foundation_positions(batches.position[batch.rows])
    return F.binary_cross_entropy_with_logits(click, batches.clicked[batch.rows], reduction="none")


def _ridge_r2(source: torch.Tensor, target: torch.Tensor, ridge: float = 1e-2) -> float:
    x = torch.cat([source, torch.ones(len(source), 1)], dim=1).double()
    y = target.double()
    solution = torch.linalg.solve(x.T @ x + ridge * torch.eye(x.shape[1], dtype=x.dtype), x.T @ y)
    residual = (y - x @ solution).square().sum()
    return float(1 - residual / (y - y.mean(0)).square().sum().clamp(min=1e-12))
