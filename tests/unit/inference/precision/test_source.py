"""A release is probed on what it was trained on, and on nothing else."""

import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest

from inference.__main__ import main
from inference.precision.source import heldout_data, source_of
from inference.release import MANIFEST_FILE, load_release
from inference.training.source import Source

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def ratings(tmp_path: Path) -> Path:
    folder = tmp_path / "ratings"
    folder.mkdir()
    (folder / "ratings.dat").write_text("\n".join(f"u{at % 19}::m{at % 30}::4::{at}" for at in range(400)))
    (folder / "movies.dat").write_text("\n".join(f"m{k}::Movie {k} (1990)::Drama" for k in range(30)))
    return folder


def saying(trained: Path, location: Path, **training: Any) -> Path:
    """A copy of the bundle in which `training` stands instead of what the manifest said."""
    shutil.copytree(trained, location)
    manifest = orjson.loads((location / MANIFEST_FILE).read_bytes())
    manifest["metrics"]["training"] = {k: v for k, v in manifest["metrics"]["training"].items() if k != "source"}
    manifest["metrics"]["training"] |= training
    (location / MANIFEST_FILE).write_bytes(orjson.dumps(manifest))
    return location


def test_a_release_says_what_it_was_trained_on(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert source_of(load_release(trained).manifest, None) is Source.SYNTHETIC
    rated = saying(trained, tmp_path / "copy", source="movietweetings")
    assert source_of(load_release(rated).manifest, None) is Source.MOVIETWEETINGS
    assert main(["precision", str(rated)]) == 2
    assert "was trained on ratings; name them: --movietweetings DIR" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "name"),
    [(["--movietweetings", "."], "--movietweetings DIR"), (["--from-topics"], "--from-topics")],
    ids=["ratings", "topics"],
)
def test_another_source_is_refused_by_name(
    trained: Path, capsys: pytest.CaptureFixture[str], options: list[str], name: str
) -> None:
    assert main(["precision", str(trained), *options]) == 2
    err = capsys.readouterr().err
    assert err == f"precision: {name}: release {trained.name} was trained with --synthetic\n"


@pytest.mark.parametrize("training", [{}, {"source": None}], ids=["before it was said", "from nowhere"])
def test_a_release_that_does_not_say_it_asks_for_the_source(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], training: dict[str, Any]
) -> None:
    location = saying(trained, tmp_path / "copy", **training)
    assert main(["precision", str(location)]) == 2
    wanted = "does not say what it was trained on; name it: one of --synthetic, --movietweetings DIR, --from-topics"
    assert wanted in capsys.readouterr().err
    manifest = load_release(location).manifest
    assert source_of(manifest, Source.SYNTHETIC) is Source.SYNTHETIC


def test_items_that_the_release_does_not_know_are_refused_with_their_share(
    trained: Path, ratings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    location = saying(trained, tmp_path / "copy")
    assert main(["precision", str(location), "--movietweetings", str(ratings)]) == 1
    err = capsys.readouterr().err
    assert f"release {trained.name} does not know 100.0% of the candidates of --movietweetings DIR, 'm" in err


def test_a_few_items_that_came_new_are_left_out(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = load_release(trained)
    whole = heldout_data(release, Source.SYNTHETIC)
    index_of, new = type(release.bundle.catalogue).index_of, list(whole.items)[int(whole.cand_item[0])]

    def forgetful(catalogue: Any, ids: Any) -> Any:
        found = index_of(catalogue, ids)
        found[list(ids).index(new)] = 0
        return found

    monkeypatch.setattr(type(release.bundle.catalogue), "index_of", forgetful)
    left = heldout_data(release, Source.SYNTHETIC)
    gone = int((whole.cand_item == whole.cand_item[0]).sum())
    assert 0 < gone == len(whole.cand_item) - len(left.cand_item)
    assert not (left.cand_item == whole.cand_item[0]).any()
