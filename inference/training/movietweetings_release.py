"""A release from a folder of ratings."""

from dataclasses import replace
from pathlib import Path

from inference.models.sizes import Sizes
from inference.models.tables import TablesKind
from inference.training.next_item import next_item_dataset
from inference.training.plan import TrainingPlan
from inference.training.progress import Progress
from inference.training.ratings import read_movies, read_ratings
from inference.training.train_release import Trained, train_release
from inference.training.untrained import TINY

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
    tables: TablesKind = "plain",
    progress: Progress | None = None,
) -> Trained:
    """Train on the first 90 % of the ratings by time and judge on the last 10 %; `quick` takes the first few only."""
    sizes, plan = (
        (TINY, replace(PLAN, foundation_epochs=1, ranker_epochs=1, num_blocks=2)) if quick else (Sizes(), PLAN)
    )
    ratings = read_ratings(folder)
    movies = read_movies(folder)
    if quick:
        ratings = ratings[:QUICK_RATINGS]
        wanted = {rating.item for rating in ratings}
        movies = {item: features for item, features in movies.items() if item in wanted}
    for features in movies.values():
        features.pop("title", None)  # one token per movie: the id says as much
    data = next_item_dataset(ratings, movies, sizes.context_width, plan.train_share, seed)
    return train_release(
        data, root, model=model, sizes=sizes, plan=plan, seed=seed, tables=tables, note=NOTE, progress=progress
    )
