"""The background work: when a part of it ends, the ranker says so and is not ready."""

import logging

import pytest

from tests.unit.inference.serving.world import World
from tests.waiting import eventually


@pytest.mark.parametrize("name", ["watcher", "watermarks"])
async def test_background_work_that_fails_is_told_by_readiness_and_the_log(
    world: World, name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise RuntimeError("a defect")

    assert (await world.client.get("/readyz")).status_code == 200
    monkeypatch.setattr(getattr(world.app, name), "refresh", fail)
    with caplog.at_level(logging.ERROR):
        failures = await eventually(world.app.readiness.failures)
    assert failures == {"background": f"{name} ended: RuntimeError('a defect')"}
    assert (await world.client.get("/readyz")).json() == {"ready": False, "failures": failures}
    assert [record.levelname for record in caplog.records if name in record.getMessage()] == ["ERROR"]
    assert (await world.rank()).status_code == 200  # with what is known


async def test_stopping_is_no_failure(world: World, caplog: pytest.LogCaptureFixture) -> None:
    await world.app.stop(await world.app.start())
    assert caplog.records == []
    assert world.app.readiness.failures() == {}
