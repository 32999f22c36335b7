"""`python -m streams topics|produce|tail|replay` against a real broker."""

import io
import json
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from runtime.settings import KafkaSettings
from streams.__main__ import main
from streams.wire.codec import Rejection, decode
from streams.wire.events import Activity, ItemUpdate
from streams.wire.producer import Producer
from streams.wire.reader import FromOffsets, Reader
from streams.wire.record import Record
from streams.wire.topics import Topic

pytestmark = pytest.mark.kafka


@pytest.fixture(autouse=True)
def settings(kafka_topics: str, monkeypatch: pytest.MonkeyPatch) -> KafkaSettings:
    monkeypatch.setenv("SOLARIS_KAFKA_BOOTSTRAP", kafka_topics)
    return KafkaSettings(bootstrap=kafka_topics)


def ends(settings: KafkaSettings, topic: str) -> dict[int, int]:
    with Reader(settings, topic) as reader:
        return {partition: end for partition, (_, end) in reader.watermarks().items()}


def since(settings: KafkaSettings, topic: str, before: dict[int, int]) -> list[Record]:
    with Reader(settings, topic) as reader:
        return list(reader.read(FromOffsets(before)))


def output(capsys: pytest.CaptureFixture[str]) -> Any:  # Any: JSON
    return json.loads(capsys.readouterr().out)


def test_topics_says_that_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["topics", "--create", "--json"]) == 0
    answer = output(capsys)
    assert answer["ok"] is True
    assert {row["topic"] for row in answer["topics"]} >= set(Topic)
    assert main(["topics"]) == 0
    assert "reco.item.updates.v1" in capsys.readouterr().out


def test_a_produced_click_arrives_as_an_event(settings: KafkaSettings, capsys: pytest.CaptureFixture[str]) -> None:
    before = ends(settings, Topic.USER_ACTIVITY)
    words = ["activity", "--user", "ü7", "--item", "12", "--kind", "click", "--context", "hour=9", "--json"]
    assert main(["produce", *words]) == 0
    (record,) = since(settings, Topic.USER_ACTIVITY, before)
    event = decode(Topic.USER_ACTIVITY, record)
    assert isinstance(event, Activity)
    assert (event.user_id, event.item_id, event.kind, event.position) == ("ü7", "12", "click", 0)
    assert event.context == {"hour": 9}
    assert event.event_id == output(capsys)["event_id"]


def test_an_item_is_produced_with_features_and_deleted(settings: KafkaSettings) -> None:
    item = uuid.uuid4().hex
    before = ends(settings, Topic.ITEM_UPDATES)
    features = ["category=shoes", "price=12.5", 'tags=["a","b"]', "flag=true", "code=1e999"]
    words = [word for feature in features for word in ("--feature", feature)]
    assert main(["produce", "item", "--item", item, *words]) == 0
    assert main(["produce", "item", "--item", item, "--delete"]) == 0
    update, deletion = since(settings, Topic.ITEM_UPDATES, before)
    event = decode(Topic.ITEM_UPDATES, update)
    assert isinstance(event, ItemUpdate)
    wanted = {"category": "shoes", "price": 12.5, "tags": ["a", "b"], "flag": "true", "code": "1e999"}
    assert event.features == wanted
    assert (deletion.key, deletion.value) == (item.encode(), None)


def test_a_file_is_sent_line_by_line_and_bad_lines_are_named(
    settings: KafkaSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = {"event_id": "e", "event_time_ms": 5, "user_id": "7", "item_id": "1", "kind": "rating", "new_field": 1}
    missing = {"event_id": "e", "event_time_ms": 5, "user_id": "7", "kind": "rating"}
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"\n".join([json.dumps(good).encode(), b"", b"junk", json.dumps(missing).encode(), b"\xff"]))
    before = ends(settings, Topic.USER_ACTIVITY)
    assert main(["produce", "--file", str(file), "--topic", Topic.USER_ACTIVITY, "--json"]) == 1
    captured = capsys.readouterr()
    answer = json.loads(captured.out)
    assert (answer["sent"], answer["delivered"], answer["rejected"]) == (1, 1, 3)
    assert "line 3: not-json" in captured.err
    assert "line 4: missing-field: Object missing required field `item_id`" in captured.err
    (record,) = since(settings, Topic.USER_ACTIVITY, before)
    assert json.loads(record.value or b"") == good  # as it was, with what this version does not know


def test_lines_without_identity_are_filled_on_request(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = json.dumps({"user_id": "7", "item_id": "1", "kind": "rating"}).encode()
    before = ends(settings, Topic.USER_ACTIVITY)
    for flags, status in (([], 1), (["--fill"], 0)):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(line)))
        assert main(["produce", "--file", "-", "--topic", Topic.USER_ACTIVITY, *flags]) == status
    (record,) = since(settings, Topic.USER_ACTIVITY, before)
    event = decode(Topic.USER_ACTIVITY, record)
    assert isinstance(event, Activity)
    assert abs(event.event_time_ms - time.time() * 1000) < 60_000


def test_tail_shows_records_and_marks_what_readers_reject(
    settings: KafkaSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    before_ms = int(time.time() * 1000) - 1000
    producer = Producer(settings)
    producer.send_raw(Topic.USER_MISSES, b"k", b"\x1b[31m not json \xff", (("reason", b"x"),))
    assert producer.close() == 0
    words = ["tail", Topic.USER_MISSES, "--from-time-ms", str(before_ms), "--no-follow"]
    assert main([*words, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (shown["key"], shown["rejected"]["reason"], shown["headers"]) == ("k", "not-json", {"reason": "x"})
    assert main(words) == 0
    plain = capsys.readouterr().out.splitlines()[-1]
    assert "\\x1b[31m not json \\xff" in plain
    assert "REJECTED not-json" in plain


def test_tail_follows_until_the_limit(settings: KafkaSettings) -> None:
    producer = Producer(settings)
    command = [sys.executable, "-m", "streams", "tail", Topic.ITEM_MISSES, "--limit", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 90
        while process.poll() is None and time.monotonic() < deadline:
            producer.send_raw(Topic.ITEM_MISSES, b"followed", b"{}")
            producer.flush(1.0)
            try:
                process.wait(0.2)
            except subprocess.TimeoutExpired:
                continue
        process.kill()  # had it not ended
        assert process.returncode == 0
        assert "key=followed" in (process.stdout.read() if process.stdout else "")
    producer.close()


def test_tail_of_a_missing_topic_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tail", "no.such.topic.v1", "--no-follow"]) == 1
    assert "no.such.topic.v1" in capsys.readouterr().err


def test_a_broker_that_goes_away_before_it_has_the_event_is_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("streams.commands.produce.reach", lambda _: KafkaSettings(bootstrap="127.0.0.1:1"))
    monkeypatch.setattr("streams.commands.sending.FLUSH_TIMEOUT_S", 1.0)
    assert main(["produce", "item", "--item", "1", "--feature", "a=1"]) == 1
    assert "not delivered: 1" in capsys.readouterr().err


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """String ids, half stars, a bad line each, an unknown genre, and eleven years."""
    (tmp_path / "movies.dat").write_text("tt-1::One (1999)::Weird-Genre|Drama\ntt-2::Two::\nbroken\n")
    lines = ["anna::tt-1::0.5::1500000000", "bob::tt-2::5::1150000000", "anna::tt-9::3.5::1200000000", "x::y", ""]
    (tmp_path / "ratings.dat").write_text("\n".join(lines))
    return tmp_path


def replayed(settings: KafkaSettings, topic: Topic, before: dict[int, int]) -> list[Any]:
    events = [decode(topic, record) for record in since(settings, topic, before)]
    assert not [event for event in events if isinstance(event, Rejection)]
    return sorted(events, key=lambda event: event.event_time_ms)


def test_replay_maps_the_time_of_any_folder_onto_an_interval_that_ends_now(
    settings: KafkaSettings, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before_items, before_users = ends(settings, Topic.ITEM_UPDATES), ends(settings, Topic.USER_ACTIVITY)
    started_ms = time.time() * 1000
    assert main(["replay", "--movietweetings", str(folder), "--json"]) == 0
    captured = capsys.readouterr()
    answer = json.loads(captured.out)
    assert {name: answer[name] for name in ("movies", "ratings", "users", "bad_lines", "delivered")} == {
        "movies": 2,
        "ratings": 3,
        "users": 2,
        "bad_lines": 2,
        "delivered": 5,
    }
    assert answer["ratings_of_unknown_movies"] == 1
    assert "movies.dat:3" in captured.err
    items = {event.item_id: event.features for event in replayed(settings, Topic.ITEM_UPDATES, before_items)}
    assert items["tt-1"] == {"title": "One", "year": 1999, "genres": ["Weird-Genre", "Drama"]}
    ratings = replayed(settings, Topic.USER_ACTIVITY, before_users)
    assert [(r.user_id, r.value, r.source_time_ms) for r in ratings] == [
        ("bob", 5.0, 1_150_000_000_000),
        ("anna", 3.5, 1_200_000_000_000),
        ("anna", 0.5, 1_500_000_000_000),
    ]
    assert started_ms - 1000 < ratings[-1].event_time_ms < time.time() * 1000
    assert ratings[-1].event_time_ms - ratings[0].event_time_ms == 350_000_000_000


def test_a_speed_up_sends_each_rating_in_its_time(settings: KafkaSettings, folder: Path) -> None:
    before = ends(settings, Topic.USER_ACTIVITY)
    started = time.monotonic()
    assert main(["replay", "--movietweetings", str(folder), "--speed-up", "500000000", "--first", "2"]) == 0
    assert time.monotonic() - started >= 0.1  # 50,000,000 s of source time
    first, last = replayed(settings, Topic.USER_ACTIVITY, before)
    assert last.event_time_ms - first.event_time_ms == 100
