"""Where held-out requests come from: what the release was trained on, beyond what it learned from."""

from pathlib import Path
from typing import Any

import numpy as np

from inference.manifest import Manifest
from inference.release import Release
from inference.synthetic.rows import log_to_dataset
from inference.synthetic.world import World
from inference.training.dataset import Dataset
from inference.training.movietweetings_release import QUICK_RATINGS, movietweetings_dataset
from inference.training.source import Source
from inference.training.synthetic_release import QUICK_WORLD
from inference.training.topics_reader import read_dataset
from inference.training.untrained import TINY
from runtime import clock
from runtime.settings import kafka_settings

MOST_UNKNOWN = 0.05  # of the candidates: what came new on the topics since; another catalogue has nearly all unknown


class SourceRefused(ValueError):
    """The source that was asked for is not the release's, or it is not known which is; the message names the option."""


def source_of(manifest: Manifest, asked: Source | None) -> Source:
    """What the release was trained on; SourceRefused if another was asked for, or none where it does not say so.

    ValueError where it was not trained at all.
    """
    said = _training(manifest).get("source")
    trained_on = None if said is None else Source(said)
    chosen = asked or trained_on
    if chosen is None:
        options = ", ".join(source.option for source in Source)
        raise SourceRefused(
            f"release {manifest.version} does not say what it was trained on; name it: one of {options}"
        )
    if asked is not None and trained_on is not None and asked is not trained_on:
        raise SourceRefused(f"{asked.option}: release {manifest.version} was trained with {trained_on.option}")
    return chosen


def heldout_data(release: Release, source: Source, folder: Path | None = None) -> Dataset:
    """The requests later than those that the release has learned from, in order of time; `folder` has the ratings.

    Candidates that the release does not know are left out, ValueError where they are more than a few: it was trained
    on something else. Raises SourceRefused where ratings are wanted and there is no folder; OSError, ReaderError as the
    sources raise them. The topics have grown since: there the last part is new in any case.
    """
    manifest = release.manifest
    training = _training(manifest)
    share = float(training["plan"]["train_share"])
    data = _all(manifest, int(training["seed"]), share, source, folder)
    later = data.select(np.arange(int(data.num_requests * share), data.num_requests))
    ids = list(data.items)
    known = (release.bundle.catalogue.index_of(ids) > 0)[later.cand_item]
    if not known.all():
        unknown, example = 1 - float(known.mean()), ids[later.cand_item[~known][0]]
        if unknown > MOST_UNKNOWN:
            raise ValueError(
                f"release {manifest.version} does not know {unknown:.1%} of the candidates of {source.option}, "
                f"{example!r} for one: it was trained on something else"
            )
    return later.keep(known)


def _training(manifest: Manifest) -> dict[str, Any]:
    training: dict[str, Any] | None = manifest.metrics.get("training")
    if training is None:
        raise ValueError(f"release {manifest.version} was not trained: there is nothing that its log loss would mean")
    return training


def _all(manifest: Manifest, seed: int, share: float, source: Source, folder: Path | None) -> Dataset:
    quick = manifest.sizes == TINY
    match source:
        case Source.SYNTHETIC:
            log = World(seed, QUICK_WORLD if quick else None).past(clock.now_ms())
            return log_to_dataset(log, manifest.context_width)
        case Source.MOVIETWEETINGS:
            if folder is None:  # a path of the machine that trained says nothing here: no release has it
                raise SourceRefused(f"release {manifest.version} was trained on ratings; name them: {source.option}")
            first = QUICK_RATINGS if quick else None
            return movietweetings_dataset(folder, manifest.context_width, share, seed, first=first)
        case Source.TOPICS:
            return read_dataset(kafka_settings(), manifest.context_width)
