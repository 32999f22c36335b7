"""A release from a generated world."""

from pathlib import Path

from inference.models.sizes import Sizes
from inference.models.tables import TablesKind
from inference.synthetic.config import WorldConfig
from inference.synthetic.rows import log_to_dataset
from inference.synthetic.world import World
from inference.training.plan import TrainingPlan
from inference.training.progress import Progress
from inference.training.source import Source
from inference.training.train_release import Trained, train_release
from inference.training.untrained import TINY
from runtime import clock

QUICK_WORLD = WorldConfig(num_items=60, num_users=80, requests_per_user=12, num_categories=6)
QUICK_PLAN = TrainingPlan(foundation_epochs=1, ranker_epochs=1, num_blocks=2)
NOTE = "generated impressions: the ceiling is the probability that the clicks were drawn with"


def train_synthetic(
    root: Path,
    *,
    seed: int = 0,
    model: str = "main",
    quick: bool = False,
    now_ms: int | None = None,
    tables: TablesKind = "plain",
    progress: Progress | None = None,
) -> Trained:
    """Generate a world's past and train on it; `quick` takes seconds and proves the path, not the quality.

    `World(seed)` has the same items and users, so that a live world of this seed goes on where the release was trained.
    """
    sizes = TINY if quick else Sizes()
    world = World(seed, QUICK_WORLD if quick else None)
    log = world.past(clock.now_ms() if now_ms is None else now_ms)
    return train_release(
        log_to_dataset(log, sizes.context_width),
        root,
        model=model,
        sizes=sizes,
        plan=QUICK_PLAN if quick else TrainingPlan(),
        seed=seed,
        tables=tables,
        slots="uniform",
        source=Source.SYNTHETIC,
        note=NOTE,
        progress=progress,
    )
