"""A release from what was served and done: closes the loop from slates and activity to the next release."""

from pathlib import Path

from inference.models.sizes import Sizes
from inference.models.tables import TablesKind
from inference.training.plan import TrainingPlan
from inference.training.progress import Progress
from inference.training.source import Source
from inference.training.synthetic_release import QUICK_PLAN
from inference.training.topics_dataset import LabelWindows
from inference.training.topics_reader import read_dataset
from inference.training.train_release import Trained, train_release
from inference.training.untrained import TINY
from runtime.settings import KafkaSettings

NOTE = "served impressions: labels lean towards what the live release showed"


def train_from_topics(
    root: Path,
    settings: KafkaSettings,
    windows: LabelWindows,
    *,
    seed: int = 0,
    model: str = "main",
    quick: bool = False,
    tables: TablesKind = "plain",
    progress: Progress | None = None,
) -> Trained:
    """Train on the topics as they are now; raises TooLittleData or ReaderError."""
    sizes = TINY if quick else Sizes()
    data = read_dataset(settings, sizes.context_width, windows, progress)
    plan = QUICK_PLAN if quick else TrainingPlan()
    return train_release(
        data,
        root,
        model=model,
        sizes=sizes,
        plan=plan,
        seed=seed,
        tables=tables,
        slots="both",
        source=Source.TOPICS,
        note=NOTE,
        progress=progress,
    )
