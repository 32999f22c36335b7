"""Put a trained bundle into use: stage it, fill its rows from what the store knows, promote it if nothing is live.

A live version whose bundle is gone or damaged counts as nothing: no process could load it.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from cache.store import Store
from inference.change import change
from inference.effects.items import fill_items
from inference.effects.users import ACTIVE_WINDOW_MS, refresh_stale
from inference.manifest import ReleaseError
from inference.release import Release, load_release
from inference.switch import promote, stage
from runtime.clock import now_ms
from runtime.ids import ModelVersion


@dataclass(frozen=True, slots=True)
class Published:
    """What became of a bundle: `live` at once where nothing was, else `staged` until `release promote`."""

    version: str
    state: str
    num_items: int
    num_users: int
    logged: bool  # whether the log of releases in Kafka has it


async def publish(store: Store, location: Path) -> Published:
    """Stage the bundle at `location` and fill its rows; raises SwitchRefused, ReleaseError or StoreUnavailable.

    Rows of items that arrive meanwhile are the agents' work, since they write for every staged release.
    """
    release = load_release(location)
    model, version = release.manifest.model, release.manifest.version
    before = await store.read_release(model)
    staged = stage(before, version, str(location), release.sha256, now_ms())
    logged = (await change(store, model, before, staged)).logged
    num_items = await fill_items(store, [release], await store.scan_items())
    num_users = await _fill_users(store, release, [ModelVersion(model, kept) for kept in staged.kept])
    after = staged
    if await live_location(store, model) is None:
        after = promote(staged, now_ms(), force=True)  # nothing can serve, which is worse than a short way back
        logged = (await change(store, model, staged, after)).logged and logged
    return Published(version, "live" if after.live == version else "staged", num_items, num_users, logged)


async def live_location(store: Store, model: str) -> Path | None:
    """Where the live release's bundle is; None if nothing is live or its bundle is gone or damaged."""
    state = await store.read_release(model)
    if state.live is None:
        return None
    location = Path(json.loads(state.entries[state.live])["location"])
    try:
        load_release(location)
    except ReleaseError:
        return None
    return location


def newest_bundle(folder: Path, model: str) -> tuple[Path | None, list[str]]:
    """The newest usable bundle of a model below `folder`, by version, which begins with the time of training.

    With it a line for each newer one, which says why it is not usable: gone in part, damaged, of another program.
    """
    unusable: list[str] = []
    for path in sorted((folder / model).glob("[!.]*"), reverse=True):
        try:
            load_release(path)
        except ReleaseError as error:
            unusable.append(str(error))
        else:
            return path, unusable
    return None, unusable


async def _fill_users(store: Store, release: Release, kept: list[ModelVersion]) -> int:
    """Rows of the users who were active lately; the others get theirs when retrieval next runs for them."""
    users = await store.active_users(now_ms() - ACTIVE_WINDOW_MS)
    return len((await refresh_stale(store, [release], users, kept=kept)).refreshed)
