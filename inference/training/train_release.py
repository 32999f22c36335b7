"""Train one release from a data set, judge it, and write its bundle."""

import hashlib
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from inference.evaluation.evaluate import Slots, evaluate
from inference.manifest import Manifest
from inference.models.bundle import Bundle
from inference.models.catalogue import build_catalogue
from inference.models.features import fit_spec
from inference.models.ranker import VARIANTS
from inference.models.sizes import Sizes
from inference.models.tables import TablesKind
from inference.release import save_release, weights_of
from inference.training.batches import Batches
from inference.training.dataset import Dataset
from inference.training.foundation import train_foundation
from inference.training.plan import TrainingPlan
from inference.training.progress import Progress
from inference.training.ranker import train_rankers
from inference.training.source import Source
from inference.training.tiers import TierSource


@dataclass(frozen=True, slots=True)
class Trained:
    """A release on disk."""

    location: Path
    version: str
    sha256: str
    metrics: dict[str, Any]  # Any: JSON


def train_release(
    data: Dataset,
    root: Path,
    *,
    model: str = "main",
    sizes: Sizes | None = None,
    plan: TrainingPlan | None = None,
    seed: int = 0,
    tables: TablesKind = "plain",
    slots: Slots = "all",
    source: Source | None = None,
    note: str | None = None,
    progress: Progress | None = None,
    now: datetime | None = None,
) -> Trained:
    """Train on the first part of `data` by time, evaluate on the rest, write `root/<model>/<version>`.

    `slots`: which ones to judge, see `evaluate`. `source`: where more of `data` comes from, None if from nowhere.
    `note` stands beside the figures. The same data, seed and thread count give the same weights.
    """
    sizes, plan, progress = sizes or Sizes(), plan or TrainingPlan(), progress or Progress(quiet=True)
    rng = np.random.default_rng(seed)
    requests = np.arange(data.num_requests)
    cut = int(len(requests) * plan.train_share)
    train, test = requests[:cut], requests[cut:]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        spec = fit_spec(list(data.items.values()), sizes.num_feature_buckets)
        bundle = Bundle(sizes, build_catalogue(data.items, spec), tuple(VARIANTS), tables)
        batches = Batches(data, bundle.catalogue, min(plan.history_length, sizes.history_length))
        pairs, foundation = train_foundation(bundle, batches, train, plan, rng, progress)
        train_rankers(bundle, batches, TierSource(data, pairs), train, plan, rng, progress)
    bundle.eval()
    progress.say("evaluating")
    metrics = evaluate(bundle, batches, train, test, slots)
    metrics["prequential"] = asdict(foundation) | {"gate": foundation.gate}
    metrics["training"] = {
        "source": source,
        "seed": seed,
        "requests": len(train),
        "rows": int(data.offsets[cut]),
        "plan": asdict(plan),
    }
    if note:
        metrics["note"] = note

    manifest = Manifest(model, "-", sizes, spec, data.values, tuple(VARIANTS), metrics=metrics)
    return _write(root / model, bundle, manifest, now or datetime.now(UTC))


def _write(folder: Path, bundle: Bundle, manifest: Manifest, now: datetime) -> Trained:
    digest = hashlib.sha256(weights_of(bundle)).hexdigest()
    version = f"{now:%Y%m%d-%H%M%S}-{digest[:6]}"
    sha256 = save_release(folder / version, bundle, replace(manifest, version=version))
    return Trained(folder / version, version, sha256, manifest.metrics)
