"""Where held-out requests come from: what the release was trained on, beyond what it learned from."""

from enum import StrEnum
from pathlib import Path

from inference.manifest import Manifest
from inference.synthetic.rows import log_to_dataset
from inference.synthetic.world import World
from inference.training.dataset import Dataset
from inference.training.movietweetings_release import QUICK_RATINGS, movietweetings_dataset
from inference.training.synthetic_release import QUICK_WORLD
from inference.training.topics_reader import read_dataset
from inference.training.untrained import TINY
from runtime import clock
from runtime.settings import kafka_settings


class Source(StrEnum):
    """As in `python -m inference train`."""

    SYNTHETIC = "the generated log"
    MOVIETWEETINGS = "a folder of ratings"
    TOPICS = "the topics"


def heldout_data(manifest: Manifest, source: Source, folder: Path | None = None) -> tuple[Dataset, float]:
    """All requests in order of time, and the share of them that the release has learned from.

    ValueError where the release does not know its items or says nothing of its training; OSError, ReaderError as the
    sources raise them. The topics have grown since: there the last part is new in any case.
    """
    training = manifest.metrics.get("training")
    if training is None:
        raise ValueError(f"release {manifest.version} was not trained: there is nothing that its log loss would mean")
    seed, share, quick = int(training["seed"]), float(training["plan"]["train_share"]), manifest.sizes == TINY
    match source:
        case Source.SYNTHETIC:
            log = World(seed, QUICK_WORLD if quick else None).past(clock.now_ms())
            return log_to_dataset(log, manifest.context_width), share
        case Source.MOVIETWEETINGS:
            assert folder is not None
            first = QUICK_RATINGS if quick else None
            return movietweetings_dataset(folder, manifest.context_width, share, seed, first=first), share
        case Source.TOPICS:
            return read_dataset(kafka_settings(), manifest.context_width), share
