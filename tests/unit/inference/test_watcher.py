"""The release watcher: what it loads, when it switches, and what it keeps when the store says nothing."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cache.memory import MemoryStore
from cache.store import ReleaseState, StoreUnavailable
from inference.release import Release, load_release
from inference.training.untrained import untrained_release
from inference.watcher import RETRY_S, STALE_S, ReleaseWatcher
from runtime.clock import ManualClock
from runtime.ids import ModelVersion
from tests.unit.inference.releases import ITEMS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("releases")
    for seed, version in enumerate(["v1", "v2"]):
        untrained_release(folder / version, ITEMS, version=version, seed=seed)
    return folder


class Watched:
    """A watcher over a store whose release state a test sets."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock)
        self.loaded: list[str] = []
        self.watcher = ReleaseWatcher(
            self.store, "main", ranker="ranker-1", on_loaded=self._on_loaded, clock=self.clock
        )
        self._entries = {
            version: json.dumps({"location": str(folder / version), "sha256": load_release(folder / version).sha256})
            for version in ("v1", "v2")
        }
        self._entries["bad"] = json.dumps({"location": str(folder / "v1"), "sha256": "0" * 64})

    def _on_loaded(self, release: Release) -> None:
        self.loaded.append(release.model_version.version)

    async def become(self, live: str | None, staged: str | None = None, previous: str | None = None) -> None:
        before = await self.store.read_release("main")
        kept = {v: entry for v, entry in self._entries.items() if v in (live, staged, previous)}
        assert await self.store.change_release("main", before, ReleaseState(live, staged, previous, kept))
        await self.watcher.refresh()

    @property
    def live(self) -> str | None:
        return None if self.watcher.live is None else self.watcher.live.model_version.version


@pytest.fixture
async def watched(folder: Path) -> AsyncIterator[Watched]:
    watched = Watched(folder)
    yield watched
    watched.watcher.close()


async def test_without_a_release_there_is_none_and_that_is_stale(watched: Watched) -> None:
    await watched.watcher.refresh()
    assert (watched.live, watched.watcher.writable, watched.watcher.stale) == (None, [], True)


async def test_live_and_staged_are_loaded_once_warmed_up_and_acknowledged(watched: Watched) -> None:
    await watched.become("v1", staged="v2")
    await watched.watcher.refresh()
    assert watched.loaded == ["v1", "v2"]
    assert watched.live == "v1"
    assert watched.watcher.staged is not None
    assert [release.model_version.version for release in watched.watcher.writable] == ["v1", "v2"]
    assert watched.watcher.kept == [ModelVersion("main", "v1"), ModelVersion("main", "v2")]
    for version in ("v1", "v2"):
        assert await watched.store.acknowledged(ModelVersion("main", version), 0) == ["ranker-1"]


async def test_a_switch_takes_the_bundle_that_is_loaded_already(watched: Watched) -> None:
    await watched.become("v1", staged="v2")
    staged = watched.watcher.staged
    await watched.become("v2", previous="v1")
    assert watched.watcher.live is staged
    assert watched.loaded == ["v1", "v2"]
    await watched.become("v1", previous="v2")
    assert (watched.live, watched.loaded) == ("v1", ["v1", "v2"])


async def test_a_bundle_that_is_not_what_the_store_says_leaves_the_old_one_serving(watched: Watched) -> None:
    await watched.become("v1")
    await watched.become("bad", previous="v1")
    assert (watched.live, watched.watcher.stale) == ("v1", True)
    assert await watched.store.acknowledged(ModelVersion("main", "bad"), 0) == []


async def test_a_bundle_that_failed_is_tried_again_after_a_while(watched: Watched) -> None:
    good = watched._entries["v2"]
    watched._entries["v2"] = watched._entries["bad"]
    await watched.become("v2")
    watched._entries["v2"] = good
    await watched.become("v2")
    assert watched.live is None
    watched.clock.advance(RETRY_S)
    await watched.watcher.refresh()
    assert watched.live == "v2"


async def test_what_is_known_is_kept_while_the_store_is_away_and_stated_as_stale(watched: Watched) -> None:
    await watched.become("v1")
    assert not watched.watcher.stale
    watched.store.unavailable = "connection"
    with pytest.raises(StoreUnavailable):
        await watched.watcher.refresh()
    assert (watched.live, watched.watcher.stale) == ("v1", False)
    watched.clock.advance(STALE_S + 1)
    assert (watched.live, watched.watcher.stale) == ("v1", True)


async def test_an_emptied_store_does_not_take_the_release_away(watched: Watched) -> None:
    await watched.become("v1", staged="v2")
    await watched.become(None)
    assert (watched.live, watched.watcher.state.live) == ("v1", "v1")
    assert len(watched.watcher.writable) == 2


async def test_a_retired_version_is_let_go(watched: Watched) -> None:
    await watched.become("v1", staged="v2")
    await watched.become("v1")
    assert watched.watcher.staged is None
    assert set(watched.watcher._loaded) == {"v1"}
