"""The command over a release that was really trained, small as it is."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from inference.__main__ import main
from inference.commands import precision as command
from inference.manifest import ReleaseError
from inference.precision.as_served import as_served
from inference.precision.changes import Change, Changes
from inference.precision.eligible import scales_with_candidates
from inference.precision.heldout import heldout_batches
from inference.precision.probe import probe, record
from inference.precision.recipes import FP8
from inference.precision.source import heldout_data
from inference.precision.table import PRECISION_FILE, PrecisionTable, read_precision
from inference.release import Release, load_release, save_release
from inference.training.source import Source
from inference.training.untrained import untrained_release
from runtime.ids import ItemId

VARIANTS = ("small", "standard")
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def location(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(trained, tmp_path_factory.mktemp("releases") / trained.name))


@pytest.fixture(scope="module")
def release(location: Path) -> Release:
    return load_release(location)


@pytest.fixture(scope="module")
def probed(location: Path) -> Path:
    asked = [word for name in VARIANTS for word in ("--variant", name)]
    assert main(["precision", str(location), "--requests", "256", "--json", *asked]) == 0
    return location


def table_of(location: Path) -> PrecisionTable:
    table = read_precision(location, load_release(location).manifest.weights_sha256)
    assert table is not None
    return table


def test_every_linear_of_the_variants_asked_for_is_in_the_table(
    probed: Path, release: Release, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["precision", str(probed), "--show", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == json.loads((probed / PRECISION_FILE).read_text())
    assert set(shown["variants"]) == set(VARIANTS)
    for name, variant in shown["variants"].items():
        names = {site["site"] for site in variant["sites"]}
        linears = {n for n, part in release.bundle.ranker(name).named_modules() if isinstance(part, torch.nn.Linear)}
        assert names == linears
        for site in variant["sites"]:
            for recipe in FP8:
                found = site["recipes"][recipe]
                assert 1e-3 < found["real"]["frobenius"] < 0.2
                assert found["verdict"]
        assert (variant["kept"], variant["whole_pass"]) == ({}, None)
        assert set(variant["everywhere"]) == {"bf16", *FP8}
        bf16, rowwise = variant["everywhere"]["bf16"], variant["everywhere"]["fp8 rowwise"]
        for head in ("click", "conversion"):
            assert 0 < bf16["from_float32"][head]["error"] < rowwise["from_float32"][head]["error"]
            assert bf16["from_bf16"][head] == {"value": 0, "error": 0}
            assert (variant["served"]["from_bf16"][head]["error"] > 0) is bool(variant["chosen"])
        assert variant["ten_by_chance"] < rowwise["same_top"]["ten"] <= bf16["same_top"]["ten"] <= 1
        assert 0.5 < rowwise["same_top"]["first"] <= 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU that measures the speed")
def test_without_a_gpu_no_speed_is_claimed_and_nothing_is_kept(
    probed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = table_of(probed)
    assert table.gpu is None
    recipes = [found for v in table.variants.values() for site in v.sites for found in site.recipes.values()]
    assert all(found.us is None and found.speedup is None for found in recipes)
    assert all(not variant.kept for variant in table.variants.values())
    assert main(["precision", str(probed), "--show"]) == 0
    printed = capsys.readouterr().out
    assert "not measured" in printed
    assert "every linear in fp8 rowwise" in printed
    assert "whole pass  not measured" in printed


def test_a_variant_that_is_probed_alone_leaves_what_the_table_has_of_the_others(
    probed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = table_of(probed)
    assert main(["precision", str(probed), "--requests", "320", "--variant", "small"]) == 0
    assert "dropped" not in capsys.readouterr().err
    after = table_of(probed)
    assert list(after.variants) == list(VARIANTS)
    assert after.variants["standard"] == before.variants["standard"]
    assert (before.variants["small"].num_requests, after.variants["small"].num_requests) == (256, 320)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--budget-percent", "0.01"], "budget is 0.0001, was 0.0002"),
        (["--candidates", "500"], "candidates is 500, was 1000"),
    ],
    ids=["budget", "candidates"],
)
def test_what_cannot_stay_in_the_table_is_said(
    probed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], reason: str
) -> None:
    copied = shutil.copytree(probed, tmp_path / "copy")
    assert main(["precision", str(copied), "--requests", "256", "--variant", "small", *options]) == 0
    assert f"what the table has of standard is dropped: {reason}" in capsys.readouterr().err
    assert list(table_of(copied).variants) == ["small"]


def test_a_table_of_another_gpu_or_of_other_weights_is_dropped_and_said(
    probed: Path, release: Release, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copied = shutil.copytree(probed, tmp_path / "copy")
    probing = ["precision", str(copied), "--requests", "256", "--variant", "small"]
    replace(table_of(probed), gpu="NVIDIA B200").write(copied)
    assert main([*probing, "--dry-run"]) == 0
    assert "what the table has of standard is dropped: gpu is " in capsys.readouterr().err
    assert table_of(copied).gpu == "NVIDIA B200"
    replace(table_of(probed), weights_sha256="0" * 64).write(copied)
    assert main(probing) == 0
    assert "the table that is there is dropped: " in capsys.readouterr().err
    assert list(table_of(copied).variants) == ["small"]


def test_the_table_belongs_to_its_weights_and_leaves_the_release_as_it_was(probed: Path, release: Release) -> None:
    load_release(probed, release.sha256)
    with pytest.raises(ReleaseError, match=r"precision.json is of weights [0-9a-f]{64}, the release has other"):
        read_precision(probed, "other")


def test_a_table_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert read_precision(tmp_path, "any") is None
    (tmp_path / PRECISION_FILE).write_text('{"model": 3}')
    with pytest.raises(ReleaseError, match=r"precision.json: .*model"):
        read_precision(tmp_path, "any")


def test_a_gpu_without_fp8_measures_errors_alone_and_says_so(
    probed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "without_fp8", lambda: "NVIDIA A100 has no FP8")
    copied = shutil.copytree(probed, tmp_path / "copy")
    assert main(["precision", str(copied), "--requests", "256", "--variant", "small"]) == 0
    printed = capsys.readouterr()
    assert "NVIDIA A100 has no FP8: errors are measured, speed is not, and nothing is kept" in printed.err
    assert "no GPU with FP8 here: no speed" in printed.out
    table = table_of(copied)
    assert (table.gpu, table.variants["small"].kept) == (None, {})


@pytest.mark.parametrize(
    ("parameter", "named"),
    [
        ("from_candidate.weight", "site from_candidate: its weights"),
        ("hops.0.query.bias", "site from_candidate: its inputs"),
        ("heads.bias", "the log loss of a click in float32 is nan"),
    ],
)
def test_what_is_not_finite_is_named_and_nothing_is_written(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], parameter: str, named: str
) -> None:
    copied = shutil.copytree(trained, tmp_path / "copy")
    release = load_release(copied)
    release.bundle.ranker("small").get_parameter(parameter).fill_(float("nan"))
    save_release(copied / "broken", release.bundle, release.manifest)
    assert main(["precision", str(copied / "broken"), "--requests", "256", "--variant", "small"]) == 1
    assert f"variant small: {named}" in capsys.readouterr().err
    assert not (copied / "broken" / PRECISION_FILE).exists()


def test_a_figure_that_is_not_finite_is_no_part_of_a_table(probed: Path) -> None:
    (site, *_), variant = table_of(probed).variants["small"].sites, table_of(probed).variants["small"]
    row = site.recipes["fp8 rowwise"]
    with pytest.raises(ValueError, match=f"site {site.site}, recipes, fp8 rowwise: us is nan"):
        replace(site, recipes={"fp8 rowwise": replace(row, us=float("nan"))})
    broken = replace(variant.served, from_bf16=Changes(Change(0.0, float("inf")), None))
    with pytest.raises(ValueError, match="all sites together, served, from_bf16, click: error is inf"):
        replace(variant, served=broken)


def test_only_what_grows_with_the_candidates_is_per_candidate(release: Release) -> None:
    (batch,) = heldout_batches(release, heldout_data(release, Source.SYNTHETIC), 8)
    found = scales_with_candidates(release.bundle.ranker("standard"), batch.inputs)
    assert not found["from_request"]
    assert not found["hops.0.key_value"]
    assert found["from_candidate"]
    assert found["heads"]
    moments = record(release.bundle.ranker("standard"), [batch.inputs, batch.inputs])
    assert moments["from_candidate"].count == 2 * batch.inputs.num_candidates
    serve = as_served(release.manifest, torch.device("cpu"))
    with pytest.raises(ValueError, match="1 batches of 64 held-out requests; at least 3 are needed"):
        probe(release.bundle.ranker("standard"), [batch], 2e-4, 1.0, serve, None, lambda text: None)


def test_bundles_that_are_there_and_not_usable_are_named_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["precision", "--show"]) == 1
    assert "no release of main in var/releases; name a bundle, or train one" in capsys.readouterr().err
    items = {ItemId("a"): {"category": "boots"}}
    for version in ("1", "2", "3"):
        untrained_release(Path("var/releases/main", version), items, version=version)
    with Path("var/releases/main/3/weights.safetensors").open("ab") as file:
        file.write(b"x")
    manifest = Path("var/releases/main/2/manifest.json")
    manifest.write_bytes(manifest.read_bytes().replace(b'"format":2', b'"format":1'))
    for newest in ("var/releases/main/1 has no precision.json", "no release of main in var/releases is usable"):
        assert main(["precision", "--show"]) == 1
        err = capsys.readouterr().err
        assert "var/releases/main/3: sha256 of weights.safetensors is" in err
        assert "var/releases/main/2: manifest.json: format is 1, this program reads 2" in err
        assert newest in err
        Path("var/releases/main/1/manifest.json").unlink(missing_ok=True)


def test_what_cannot_be_probed_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["precision", str(tmp_path / "none")]) == 2
    assert "none is no bundle: it has no manifest.json" in capsys.readouterr().err
    untrained = tmp_path / "untrained"
    untrained_release(untrained, {ItemId("a"): {"category": "boots"}})
    assert main(["precision", str(untrained)]) == 1
    assert "was not trained" in capsys.readouterr().err
    assert main(["precision", str(untrained), "--show"]) == 1
    assert "has no precision.json; run this without --show" in capsys.readouterr().err
    assert main(["precision", str(untrained), "--show", "--synthetic"]) == 2
    assert "--show prints what is there" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong",
    [["--requests", "0"], ["--candidates", "-1"], ["--threads", "0"]]
    + [["--budget-percent", value] for value in ("nan", "inf", "0", "-1")],
    ids=" ".join,
)
def test_numbers_that_mean_nothing_are_a_wrong_call(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["precision", *wrong])
    assert ended.value.code == 2
    assert f"argument {wrong[0]}: must be" in capsys.readouterr().err


def test_a_wrong_backend_is_refused_before_anything_is_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOLARIS_KERNELS", "cuda")
    monkeypatch.setattr("kernels.backend._chosen", None)  # as in a process that has not asked yet
    for name in ("precision", "train"):
        assert main([name]) == 2
        assert "SOLARIS_KERNELS is 'cuda'" in capsys.readouterr().err
