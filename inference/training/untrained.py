"""A release of real models with random weights: for tests and for measuring speed, where quality does not matter."""

from collections.abc import Mapping
from pathlib import Path

import torch

from inference.history import ValueScale
from inference.manifest import Manifest
from inference.models.bundle import Bundle
from inference.models.catalogue import build_catalogue
from inference.models.features import fit_spec
from inference.models.ranker import VARIANTS
from inference.models.sizes import Sizes
from inference.release import save_release
from runtime.ids import ItemId
from streams.wire.events import FeatureValue

TINY = Sizes(
    user_tokens=4,
    item_width=16,
    pair_width=8,
    context_width=4,
    history_length=32,
    num_feature_buckets=256,
    num_heads=2,
    foundation_layers=1,
    foundation_tap_width=16,
    foundation_interaction_layers=1,
)


def untrained_release(
    location: Path,
    items: Mapping[ItemId, Mapping[str, FeatureValue]],
    *,
    model: str = "main",
    version: str = "untrained",
    sizes: Sizes = TINY,
    seed: int = 0,
) -> str:
    """Write a bundle to the directory `location`; return its SHA-256. The same arguments give the same bytes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        spec = fit_spec(list(items.values()), sizes.num_feature_buckets)
        bundle = Bundle(sizes, build_catalogue(items, spec))
    manifest = Manifest(model, version, sizes, spec, ValueScale(), tuple(VARIANTS))
    return save_release(location, bundle, manifest)
