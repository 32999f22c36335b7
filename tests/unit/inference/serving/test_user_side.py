"""The per-model setting of ERCache's direct cache: how stale a row may be and still save a run of the tower."""

from dataclasses import replace

import pytest

from inference.manifest import Manifest
from tests.unit.inference.serving.world import World

FRESH_MS = 60_000


def _allow_stale_rows(world: World, fresh_ms: int) -> None:
    manifest: Manifest = world.release.manifest
    live = world.app.watcher.live
    assert live is not None
    live.manifest = replace(manifest, user_fresh_ms=fresh_ms)


@pytest.mark.parametrize(("fresh_ms", "source"), [(0, "computed"), (FRESH_MS, "direct")])
async def test_a_row_behind_its_history_is_used_only_within_the_models_bound(
    warm: World, fresh_ms: int, source: str
) -> None:
    _allow_stale_rows(warm, fresh_ms)
    newest_ms = await warm.click("item-20", offset=9)
    user = (await warm.answer())["user"]
    assert user["source"] == source
    assert (user["as_of_ms"] >= newest_ms) == (source == "computed")
