"""A release from a folder of ratings."""

from dataclasses import replace
from pathlib import Path

from inference.models.sizes import Sizes
from inference.models.tables import TablesKind
from inference.training.dataset import Dataset
from inference.training.next_item import next_item_dataset
from inference.training.plan import TrainingPlan
from inference.training.progress import Progress
from inference.training.source import Source
from inference.training.train_release import Trained, train_release
from inference.training.untrained import TINY
from runtime.ids import ItemId
from streams.wire.events import FeatureValue
from streams.wire.movietweetings import BadLines, Rating, read_movies, read_ratings

PLAN = TrainingPlan(train_share=0.9, id_dropout=0.3, batch_requests=128)
QUICK_RATINGS = 3_000
NOTE = "next item among sampled negatives: no real impressions, and many of the later users are unseen in training"


def train_movietweetings(
    root: Path,
    folder: Path,
    *,
    seed: int = 0,
    model: str = "main",
    quick: bool = False,
    first: int | None = None,
    plan: TrainingPlan = PLAN,
    tables: TablesKind = "plain",
    progress: Progress | None = None,
) -> Trained:
    """Train on the first 90 % of the ratings by time and judge on the last 10 %.

    `first`: only so many ratings, in time order; `quick`: a few, by tiny models. Lines that cannot be read are said
    and passed over; raises OSError if a file is missing, ValueError if no rating can be read.
    """
    progress = progress or Progress(quiet=True)
    sizes = Sizes()
    if quick:
        sizes, first = TINY, QUICK_RATINGS
        plan = replace(plan, foundation_epochs=1, ranker_epochs=1, num_blocks=2)
    data = movietweetings_dataset(folder, sizes.context_width, plan.train_share, seed, first=first, progress=progress)
    return train_release(
        data,
        root,
        model=model,
        sizes=sizes,
        plan=plan,
        seed=seed,
        tables=tables,
        source=Source.MOVIETWEETINGS,
        note=NOTE,
        progress=progress,
    )


def movietweetings_dataset(
    folder: Path,
    context_width: int,
    train_share: float,
    seed: int,
    *,
    first: int | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """The ratings as requests, the same for the same arguments; `train_share` of them by time are for training."""
    ratings, movies = _read(folder, first, progress or Progress(quiet=True))
    return next_item_dataset(ratings, movies, context_width, train_share, seed)


def _read(
    folder: Path, first: int | None, progress: Progress
) -> tuple[list[Rating], dict[ItemId, dict[str, FeatureValue]]]:
    """The ratings in time order, and the features of all movies, or of those rated where only the first are wanted."""
    bad = BadLines()
    ratings = read_ratings(folder, bad)[:first]
    rated = {rating.item_id for rating in ratings}
    movies = {
        # without its title, one token per movie: the id says as much
        movie.item_id: {name: value for name, value in movie.features.items() if name != "title"}
        for movie in read_movies(folder, bad)
        if first is None or movie.item_id in rated
    }
    if bad.num_lines:
        progress.say(f"{bad.num_lines} lines cannot be read and are passed over: {'; '.join(bad.examples)}")
    if not ratings:
        raise ValueError(f"no rating in {folder / 'ratings.dat'} can be read")
    return ratings, movies
