"""What `produce` says of what it sends and nothing reads."""

from pathlib import Path

import pytest

from streams.commands import notes
from streams.wire.events import Activity, FeatureValue, ItemUpdate


def activity(kind: str) -> Activity:
    return Activity(
        event_id="e", event_time_ms=1, user_id="u", item_id="i", kind=kind, request_id="r", position=0
    )  # fmt: skip


def item(**features: FeatureValue) -> ItemUpdate:
    return ItemUpdate(event_id="e", event_time_ms=1, item_id="i", features=features)


def test_known_kinds_are_not_worth_a_note_and_unknown_ones_are() -> None:
    seen = notes.Notes()
    for kind in ("click", "impression", "rating", "conversion"):
        seen.see(activity(kind))
    assert seen.lines() == []
    seen.see(activity("like"))
    seen.see(activity("like"))
    (line,) = seen.lines()
    assert line.startswith("kind 'like': kept on the topic, but enters no history")
    assert "click, conversion, impression, rating" in line


def test_features_that_the_live_release_does_not_read_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "known_features", lambda: frozenset({"category", "price"}))
    seen = notes.Notes()
    seen.see(item(category="shoes"))
    assert seen.lines() == []
    seen.see(item(color="red", price=1.5))
    assert seen.lines() == [
        "feature 'color': stored, but not read by the live release, which reads 'category', 'price'"
    ]


def test_nothing_is_said_of_features_when_no_store_is_configured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    seen = notes.Notes()
    seen.see(item(color="red"))
    assert seen.lines() == []


def test_a_store_that_is_away_costs_no_more_than_the_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOLARIS_REDIS_URL", "redis://127.0.0.1:1/0")
    assert notes.known_features() is None
