import json
import logging
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import torch

from cache.store import History
from inference.__main__ import main
from inference.evaluation.report import table
from inference.history import encode_event
from inference.models.history_encoder import KINDS
from inference.precision.source import heldout_data, source_of
from inference.release import load_release
from inference.synthetic.config import WorldConfig
from inference.synthetic.rows import log_to_dataset
from inference.synthetic.world import World
from inference.training.batches import Batches
from inference.training.dataset import Dataset
from inference.training.plan import TrainingPlan
from inference.training.source import Source
from inference.training.train_release import Trained, train_release
from inference.training.untrained import TINY
from runtime.ids import ItemId, UserId
from streams.wire.events import Activity
from streams.wire.movietweetings import Rating

NOW = datetime(2026, 11, 21, tzinfo=UTC)
WORLD = WorldConfig(num_items=40, num_users=40, requests_per_user=8, num_slots=6, num_categories=4)
PLAN = TrainingPlan(foundation_epochs=1, ranker_epochs=1, num_blocks=2, batch_requests=32)


def data() -> Dataset:
    return log_to_dataset(World(0, WORLD).past(1_790_000_000_000), TINY.context_width)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train_release(data(), tmp_path_factory.mktemp("releases"), sizes=TINY, plan=PLAN, now=NOW)


def test_a_trained_release_loads_and_carries_its_figures(trained: Trained) -> None:
    release = load_release(trained.location, trained.sha256)
    assert trained.version.startswith("20261121-000000-")
    assert release.model_version.version == trained.version
    quality = release.manifest.metrics["quality"]
    assert {"popularity", "logistic", "ranker", "foundation model", "ceiling"} <= set(quality)
    assert quality["ceiling"]["log_loss"] < quality["popularity"]["log_loss"]
    assert {"gate", "prequential_log_loss", "in_sample_log_loss"} <= set(release.manifest.metrics["prequential"])
    assert "ceiling" in table(release.manifest.metrics)


def test_the_same_seed_trains_the_same_weights(trained: Trained, tmp_path: Path) -> None:
    again = train_release(data(), tmp_path, sizes=TINY, plan=PLAN, now=NOW)
    assert again.sha256 == trained.sha256
    other = train_release(data(), tmp_path, sizes=TINY, plan=PLAN, now=NOW, seed=1)
    assert other.sha256 != trained.sha256


def test_tables_trained_by_torchrec_are_served_by_the_plain_twin(tmp_path: Path) -> None:
    logging.getLogger("torchrec").setLevel(logging.ERROR)
    release = load_release(train_release(data(), tmp_path, sizes=TINY, plan=PLAN, now=NOW, tables="torchrec").location)
    rows = release.item_rows([(ItemId("item-0001"), {"category": "boots"})])
    assert np.isfinite(rows).all()


def test_training_and_serving_read_the_same_history_as_the_same_tensors(trained: Trained) -> None:
    release, rows = load_release(trained.location), data()
    batches = Batches(rows, release.bundle.catalogue, TINY.history_length)
    request = rows.num_requests - 1
    batch = batches.batch(np.array([request]))
    with torch.inference_mode():
        from_training = release.bundle.user_tokens(
            batch.history, sum(release.bundle.known_items(release.bundle.items), torch.zeros(()))
        )
    from_serving = release.user_rows([_history(rows, request)])
    np.testing.assert_allclose(from_training.numpy(), from_serving, atol=1e-5)


def test_a_folder_of_ratings_trains_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    ratings = [
        Rating(UserId(f"u{rng.integers(30)}"), ItemId(f"m{rng.integers(60)}"), float(rng.integers(1, 11)), at)
        for at in range(400)
    ]
    lines = [f"{r.user_id}::{r.item_id}::{r.value}::{r.time_ms}" for r in ratings]
    (tmp_path / "ratings.dat").write_text("\n".join(lines))
    (tmp_path / "movies.dat").write_text("\n".join(f"m{k}::Movie {k} ({1950 + k})::Drama|War" for k in range(50)))
    out = tmp_path / "out"
    command = ["train", "--movietweetings", str(tmp_path), "--quick", "--out", str(out), "--json"]
    assert main(command) == 0
    result = json.loads(capsys.readouterr().out)
    release = load_release(Path(result["location"]), result["sha256"])
    assert release.manifest.metrics["slots"] == "all"
    assert "no real impressions" in release.manifest.metrics["note"]
    data = heldout_data(release, source_of(release.manifest, None), tmp_path)
    assert source_of(release.manifest, None) is Source.MOVIETWEETINGS
    assert len(data.cand_item) > 100


def test_the_model_is_the_one_that_is_set_unless_it_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ratings.dat").write_text("\n".join(f"u{at % 9}::m{at % 30}::4::{at}" for at in range(200)))
    (tmp_path / "movies.dat").write_text("")
    command = ["train", "--movietweetings", str(tmp_path), "--quick", "--out", str(tmp_path / "out"), "--json"]
    monkeypatch.setenv("SOLARIS_MODEL", "films")
    assert main(command) == 0
    location = Path(json.loads(capsys.readouterr().out)["location"])
    assert location.parent.name == load_release(location).model_version.model == "films"
    with pytest.raises(SystemExit, match="2"):
        main([*command, "--model", "Films/1"])
    assert "'Films/1' does not match" in capsys.readouterr().err
    monkeypatch.setenv("SOLARIS_MODEL", "../films")
    assert main(command) == 2
    assert "SOLARIS_MODEL: model name '../films' does not match" in capsys.readouterr().err


def test_lines_that_cannot_be_read_are_said_and_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [
        f"ann-{at % 7}::tt{at % 40}::{at % 5 + 1}::{at * 86_400 * 300 - 10**9}" for at in range(300)
    ]  # from 1938 on
    (tmp_path / "ratings.dat").write_text("\n".join([*lines, "a broken line", "u::i::4::9e99"]))
    (tmp_path / "movies.dat").write_text("tt1::A :: B (2001)::Odd|(no genres listed)\ntt2::Only a title\n")
    assert main(["train", "--movietweetings", str(tmp_path), "--quick", "--out", str(tmp_path), "--json"]) == 0
    printed = capsys.readouterr()
    assert "2 lines cannot be read and are passed over: ratings.dat:301: 1 fields" in printed.err
    release = load_release(Path(json.loads(printed.out)["location"]))
    assert release.manifest.metrics["training"]["requests"] == int(285 * 0.9)  # of 300 ratings, 15 as a warm-up


def test_a_folder_without_ratings_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--movietweetings", str(tmp_path), "--out", str(tmp_path)]) == 1
    assert "ratings.dat" in capsys.readouterr().err


def _history(rows: Dataset, request: int) -> History:
    user, time_ms = rows.request_user[request], rows.request_time_ms[request]
    names = list(rows.items)
    events = [
        Activity(
            event_id=f"e{at}",
            event_time_ms=int(rows.event_time_ms[at]),
            user_id="u",
            item_id=names[rows.event_item[at]],
            kind=KINDS[rows.event_kind[at]],
            request_id="r",
            position=0,
        )
        for at in np.flatnonzero((rows.event_user == user) & (rows.event_time_ms < time_ms))
    ]
    assert events
    return History(UserId("u"), len(events), tuple(encode_event(e) for e in events), events[-1].event_time_ms)
