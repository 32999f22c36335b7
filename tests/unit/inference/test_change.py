"""The one way a release changes, and what the old versions leave behind."""

from pathlib import Path

import orjson
import pytest

from cache.memory import MemoryStore
from cache.store import ItemWrite, ReleaseState
from inference import change as changing
from inference.change import change
from inference.publishing import publish
from inference.switch import SwitchRefused, stage
from inference.training.untrained import untrained_release
from runtime.ids import ItemId, ModelVersion
from tests.unit.inference.releases import ITEMS

ITEM = ItemId("item-1")
Logged = list[tuple[ReleaseState, ReleaseState]]


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Logged:
    """What was sent to the log, in place of a broker."""
    found: Logged = []

    async def log(_: str, before: ReleaseState, after: ReleaseState) -> bool:
        found.append((before, after))
        return True

    monkeypatch.setattr(changing, "publish_releases", log)
    return found


async def has_row(store: MemoryStore, version: str) -> bool:
    return (await store.read_item_rows(ModelVersion("main", version), [ITEM]))[0] is not None


async def test_a_bundle_that_replaces_a_staged_one_takes_the_rows_of_it_away(tmp_path: Path, logged: Logged) -> None:
    store = MemoryStore()
    await store.write_items([ItemWrite(ITEM, 1, orjson.dumps(ITEMS[ITEM]), {})])
    for seed, version in enumerate(("v1", "v2", "v3")):
        untrained_release(tmp_path / version, ITEMS, version=version, seed=seed)
        done = await publish(store, tmp_path / version)
        assert (done.state, done.logged) == ("live" if version == "v1" else "staged", True)
    assert [await has_row(store, version) for version in ("v1", "v2", "v3")] == [True, False, True]
    moves = [(after.live, after.staged) for _, after in logged]
    assert moves == [(None, "v1"), ("v1", None), ("v1", "v2"), ("v1", "v3")]


async def test_a_change_of_what_is_no_longer_so_is_refused_and_not_logged(logged: Logged) -> None:
    store = MemoryStore()
    first, other = (stage(ReleaseState(), version, version, "0" * 64, 0) for version in ("v1", "v2"))
    await change(store, "main", ReleaseState(), first)
    with pytest.raises(SwitchRefused, match="somebody else"):
        await change(store, "main", ReleaseState(), other)
    assert len(logged) == 1
