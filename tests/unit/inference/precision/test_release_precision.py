"""A release runs by its precision table, or in bf16 with the reason said; on a CPU the same numbers in float32."""

import logging
from collections.abc import Mapping
from pathlib import Path

import orjson
import pytest
import torch
from prometheus_client import REGISTRY

from inference.forward.arena import InputWidths
from inference.forward.buckets import Bucket
from inference.forward.inputs import PackedInputs
from inference.precision.recipes import ROWWISE, TENSORWISE, by_recipes
from inference.precision.release_precision import Precision, ReleasePrecision, release_precision
from inference.precision.table import PRECISION_FILE
from inference.protocol import RankInputs
from inference.release import Release, load_release
from inference.serving.engine import warm_up
from inference.serving.scorer import CpuScorer, DeviceScorer
from inference.training.untrained import untrained_release
from tests.unit.inference.forward.batches import batch
from tests.unit.inference.precision.tables import GPU, KEPT, table
from tests.unit.inference.releases import ITEMS

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
BUCKETS = [Bucket(128, 1), Bucket(128, 4)]


@pytest.fixture
def release(tmp_path: Path) -> Release:
    untrained_release(tmp_path / "v1", ITEMS, version="v1")
    return load_release(tmp_path / "v1")


@pytest.fixture
def inputs(release: Release) -> RankInputs:
    return batch([70, 30], widths=InputWidths.of(release.manifest.sizes))


def scorer(gpu: str | None = GPU) -> DeviceScorer:
    return DeviceScorer(DEVICE, torch.float32, BUCKETS, gpu)


def clicks(release: Release, inputs: RankInputs, gpu: str | None = GPU, variant: str = "standard") -> torch.Tensor:
    return scorer(gpu).score(release, variant, PackedInputs.of(inputs)).p_click


def refused() -> float:
    """Tables that were."""
    name, labels = "solaris_ranker_precision_tables_total", {"precision": "bf16_table_refused"}
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_the_linears_that_the_table_keeps_run_in_fp8_and_no_others(release: Release, inputs: RankInputs) -> None:
    table(release, KEPT).write(release.location)
    assert release_precision(release, GPU) == ReleasePrecision(Precision.FP8, {"standard": KEPT})
    with torch.inference_mode():
        expected = by_recipes(release.bundle.ranker("standard"), KEPT).score(inputs).p_click
    got, unmapped = clicks(release, inputs), clicks(release, inputs, gpu=None)
    torch.testing.assert_close(got, expected, rtol=0, atol=5e-3)
    assert float((got - unmapped).abs().max()) > 1e-3
    assert torch.equal(clicks(release, inputs, variant="small"), clicks(release, inputs, gpu=None, variant="small"))
    assert float((expected - release.score("standard", inputs).p_click).abs().max()) > 1e-3  # the release has its own


@pytest.mark.parametrize(
    ("kept", "fields", "precision"),
    [
        (KEPT, {"gpu": "NVIDIA B200"}, Precision.OTHER_GPU),
        (KEPT, {"gpu": None}, Precision.OTHER_GPU),
        (KEPT, {"weights_sha256": "0" * 64}, Precision.TABLE_REFUSED),
        (KEPT, {"variant": "huge"}, Precision.TABLE_REFUSED),
        ({"no.such.linear": ROWWISE}, {}, Precision.TABLE_REFUSED),
        ({"from_candidate": TENSORWISE}, {}, Precision.TABLE_REFUSED),
        ({"from_candidate": "fp4"}, {}, Precision.TABLE_REFUSED),
        ({}, {}, Precision.NOTHING_KEPT),
    ],
    ids=lambda value: str(value) if isinstance(value, Precision) else "",
)
def test_a_table_that_does_not_hold_here_changes_no_bit(
    release: Release, inputs: RankInputs, kept: Mapping[str, str], fields: Mapping[str, str], precision: Precision
) -> None:
    table(release, kept, **fields).write(release.location)
    assert release_precision(release, GPU) == ReleasePrecision(precision)
    assert torch.equal(clicks(release, inputs), clicks(release, inputs, gpu=None))


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"[]", b'{"model": "main"}', b'{"x":' + b"[" * 200_000], ids=lambda c: repr(c[:12])
)
def test_a_damaged_table_stops_nothing_and_is_said_and_counted(
    release: Release, inputs: RankInputs, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (release.location / PRECISION_FILE).write_bytes(content)
    before = refused()
    with caplog.at_level(logging.WARNING):
        got = clicks(release, inputs)
    assert torch.equal(got, clicks(release, inputs, gpu=None))
    assert "precision table refused, serving bf16" in caplog.text
    assert str(release.location / PRECISION_FILE) in caplog.text
    assert refused() == before + 1


def test_a_table_of_another_format_is_refused_by_its_format(release: Release, caplog: pytest.LogCaptureFixture) -> None:
    before = {"format": 2, "model": "main", "variants": {"standard": {"within_budget": {}, "kept": KEPT}}}
    (release.location / PRECISION_FILE).write_bytes(orjson.dumps(before))
    with caplog.at_level(logging.WARNING):
        assert release_precision(release, GPU) == ReleasePrecision(Precision.TABLE_REFUSED)
    assert "format is 2, this program reads 3; `python -m inference precision` makes it anew" in caplog.text


def test_a_table_of_another_gpu_is_said_with_both_names(release: Release, caplog: pytest.LogCaptureFixture) -> None:
    table(release, KEPT, gpu="NVIDIA B200").write(release.location)
    with caplog.at_level(logging.WARNING):
        release_precision(release, GPU)
    assert 'measured_on="NVIDIA B200" gpu="NVIDIA H200"' in caplog.text


def test_without_a_table_or_with_fp8_turned_off_there_is_none(release: Release) -> None:
    assert release_precision(release, GPU) == ReleasePrecision(Precision.NO_TABLE)
    table(release, KEPT).write(release.location)
    assert release_precision(release, None) == ReleasePrecision(Precision.OFF)


def test_the_table_is_read_when_a_release_is_loaded_and_not_again(release: Release) -> None:
    one = scorer()
    path = table(release, KEPT).write(release.location)
    assert one.precision(release).precision is Precision.FP8
    path.unlink()
    assert one.precision(release).precision is Precision.FP8
    assert scorer().precision(release).precision is Precision.NO_TABLE


def test_a_warm_up_says_what_runs(release: Release) -> None:
    assert warm_up(CpuScorer(), release) == {"precision": "float32"}
    assert warm_up(scorer(), release) == {"precision": "bf16_no_table"}
    table(release, KEPT).write(release.location)
    assert warm_up(scorer(), release) == {"precision": "fp8", "fp8_linears": "small 0, standard 2, large 0"}
