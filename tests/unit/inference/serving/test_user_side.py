"""The user's side: how stale a row may be and still save a run of the tower, and what a slow tower may gather."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from prometheus_client import REGISTRY

from cache.store import History
from inference.manifest import Manifest
from inference.serving import batcher
from inference.serving.settings import RankerSettings
from runtime.ids import UserId
from tests.unit.inference.serving.world import World, running_world
from tests.waiting import eventually

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


@pytest_asyncio.fixture
async def hanging(bundles: Path) -> AsyncIterator[World]:
    """Three users with a click each, room for two computations, and a tower that hangs until the end."""
    until = threading.Event()

    def hang(histories: Sequence[History]) -> None:
        until.wait(30)
        raise RuntimeError("too late for anybody")

    async with running_world(bundles, RankerSettings(name="ranker-1", max_user_rows=2)) as world:
        await world.fill_items()
        for user in ("u1", "u2", "u3"):
            await world.click("item-1", user=UserId(user))
        assert world.app.watcher.live is not None
        world.app.watcher.live.user_rows = hang  # type: ignore[method-assign, assignment]
        try:
            yield world
        finally:
            until.set()


def refused() -> float:
    return REGISTRY.get_sample_value("solaris_ranker_user_rows_computed_total", {"outcome": "refused"}) or 0.0


async def test_beyond_the_bound_of_waiting_computations_a_request_fails_over_at_once(hanging: World) -> None:
    before = refused()
    late = await asyncio.gather(*[hanging.rank(user_id=user, deadline_ms=2_000) for user in ("u1", "u2")])
    assert {response.status_code for response in late} <= {200, 504}
    at_once = await asyncio.wait_for(hanging.answer(user_id="u3"), 10)  # its deadline is twice that
    assert (at_once["user"]["source"], at_once["degraded"]) == ("default", ["user-default", "watermark-missing"])
    assert refused() == before + 1


async def test_a_user_who_is_being_computed_is_waited_for_though_the_bound_is_reached(hanging: World) -> None:
    before = refused()
    for users in (("u1", "u2"), ("u1", "u2")):
        await asyncio.gather(*[hanging.rank(user_id=user, deadline_ms=200) for user in users])
    assert refused() == before


async def test_a_tower_that_hangs_is_no_longer_ready(hanging: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hanging.app.readiness.failures() == {}
    monkeypatch.setattr(batcher, "HUNG_S", 0.05)
    await hanging.rank(user_id="u1", deadline_ms=1_000)
    # On a busy machine the engine may take as long for once.
    await eventually(lambda: list(hanging.app.readiness.failures()) == ["user-tower"])
