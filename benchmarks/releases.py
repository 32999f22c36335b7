"""Releases for measuring speed: real models of the compact size with random weights, and a made-up catalogue."""

import json
from pathlib import Path

from cache.store import ReleaseState, Store
from inference.models.sizes import Sizes
from inference.release import Release, load_release
from inference.training.untrained import untrained_release
from runtime.ids import ItemId
from streams.wire.events import FeatureValue

VERSION = "untrained"


def catalogue(num_items: int) -> dict[ItemId, dict[str, FeatureValue]]:
    """Items with three features each."""
    return {
        ItemId(f"item-{n}"): {"category": f"category-{n % 20}", "price": 1.0 + n % 90, "tags": [f"tag-{n % 7}", "all"]}
        for n in range(num_items)
    }


def write_release(folder: Path, items: dict[ItemId, dict[str, FeatureValue]]) -> Release:
    """An untrained bundle in `folder`, loaded."""
    location = folder / VERSION
    untrained_release(location, items, version=VERSION, sizes=Sizes())
    return load_release(location)


async def make_live(store: Store, release: Release, folder: Path) -> None:
    """Name it as live in a store that has no release yet, and mark the store as complete."""
    version = release.model_version
    entry = json.dumps({"location": str(folder / version.version), "sha256": release.sha256})
    state = ReleaseState(live=version.version, entries={version.version: entry})
    if not await store.change_release(version.model, ReleaseState(), state):
        raise RuntimeError(f"the store already has a release of {version.model}")
    await store.set_epochs("benchmark")
