"""Which release state the log of releases leads to."""

import json
from typing import Literal

from cache.store import ReleaseState
from streams.commands.rebuilding import restored_state
from streams.wire.events import ModelRelease


def event(version: str, state: Literal["staged", "live", "retired"]) -> ModelRelease:
    return ModelRelease(
        event_id="e", event_time_ms=1, model="main", version=version, state=state, location=f"there/{version}",
        sha256="0" * 64,
    )  # fmt: skip


def entry(version: str) -> dict[str, str]:
    return {version: json.dumps({"location": f"there/{version}", "sha256": "0" * 64})}


def test_an_empty_log_leads_to_nothing() -> None:
    assert restored_state([]) == ReleaseState()


def test_the_last_live_one_is_live_and_a_later_staged_one_is_staged() -> None:
    events = [event("v1", "staged"), event("v1", "live"), event("v2", "staged")]
    assert restored_state(events) == ReleaseState("v1", "v2", None, entry("v1") | entry("v2"))
    assert restored_state([*events, event("v2", "live")]) == ReleaseState("v2", None, None, entry("v2"))


def test_a_retired_version_is_forgotten() -> None:
    events = [event("v1", "live"), event("v2", "live"), event("v1", "retired"), event("v3", "staged")]
    assert restored_state([*events, event("v3", "retired")]) == ReleaseState("v2", None, None, entry("v2"))


def test_what_compaction_left_is_enough() -> None:
    assert restored_state([event("v7", "live")]) == ReleaseState("v7", None, None, entry("v7"))
