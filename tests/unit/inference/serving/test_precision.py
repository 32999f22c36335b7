"""In what the live release is scored is in the log and in the metrics, so that nobody has to believe it."""

import logging
from pathlib import Path

import pytest
import torch

from inference.forward.buckets import Bucket
from inference.serving import app
from inference.serving.scorer import DeviceScorer
from inference.serving.settings import RankerSettings
from tests.unit.inference.precision.tables import GPU, KEPT, table
from tests.unit.inference.serving.world import World, publish, running_world

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def on_a_gpu(device: str, fp8: bool) -> DeviceScorer:
    """`scorer_on` of a machine that has one, on the device that is here."""
    return DeviceScorer(DEVICE, torch.float32, [Bucket(128, 1)], GPU if fp8 else None)


async def metrics_of(world: World) -> str:
    return (await world.client.get("/metrics")).text


async def test_a_release_with_a_table_says_that_it_runs_in_fp8(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(app, "scorer_on", on_a_gpu)
    release, _ = publish(tmp_path)
    table(release, KEPT).write(release.location)
    with caplog.at_level(logging.INFO):
        async with running_world(tmp_path) as world:
            await world.fill_items()
            answer, metrics = await world.answer(), await metrics_of(world)
    assert len(answer["items"]) == 5
    said = 'event="release loaded" version=main:v1 precision=fp8 fp8_linears="small 0, standard 2, large 0"'
    assert said in caplog.text
    assert 'solaris_ranker_release_info{model="main",precision="fp8",version="v1"} 1.0' in metrics
    assert 'solaris_ranker_eight_bit_linears{variant="standard"} 2.0' in metrics
    assert 'solaris_ranker_eight_bit_linears{variant="large"} 0.0' in metrics


async def test_fp8_can_be_turned_off_for_a_ranker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "scorer_on", on_a_gpu)
    release, _ = publish(tmp_path)
    table(release, KEPT).write(release.location)
    async with running_world(tmp_path, RankerSettings(name="ranker-1", fp8=False)) as world:
        metrics = await metrics_of(world)
    assert 'precision="bf16_off",version="v1"} 1.0' in metrics
    assert 'solaris_ranker_eight_bit_linears{variant="standard"} 0.0' in metrics


async def test_on_a_cpu_a_table_changes_nothing(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    release, _ = publish(tmp_path)
    table(release, KEPT).write(release.location)
    async with running_world(tmp_path) as world:
        assert 'precision="float32",version="v1"} 1.0' in await metrics_of(world)
