"""Which release state the log of releases leads to."""

import json
from typing import Literal

import pytest

from cache.store import ReleaseState
from inference import switch
from inference.release_log import release_events, restored_state
from streams.wire.codec import decode_value, encode
from streams.wire.events import ModelRelease
from streams.wire.topics import Topic

MOVES = "stage v1, promote, stage v2, promote, stage v3, stage v4, promote, rollback, stage v5, rollback, stage v1"


def states(moves: str = MOVES) -> list[ReleaseState]:
    """The states that these moves lead through, from none."""
    found = [ReleaseState()]
    for at_ms, move in enumerate(moves.split(", "), 1):
        name, *version = move.split()
        if name == "stage":
            found.append(switch.stage(found[-1], version[0], f"there/{version[0]}", "a" * 64, at_ms))
        elif name == "promote":
            found.append(switch.promote(found[-1], at_ms, force=True))
        else:
            found.append(switch.roll_back(found[-1], at_ms))
    return found


def logged(before: ReleaseState, after: ReleaseState) -> list[ModelRelease]:
    """What is read again of the events of one change."""
    read = [decode_value(Topic.MODEL_RELEASES, encode(one)) for one in release_events("main", before, after)]
    assert all(isinstance(one, ModelRelease) for one in read)
    return [one for one in read if isinstance(one, ModelRelease)]


def told(state: ReleaseState) -> tuple[object, ...]:
    return state.live, state.staged, state.previous, {v: json.loads(e) for v, e in state.entries.items()}


@pytest.mark.parametrize("number", range(1, len(MOVES.split(", ")) + 1))
def test_one_record_that_compaction_left_restores_live_staged_previous_and_their_times(number: int) -> None:
    before, after = states()[number - 1 : number + 1]
    for event in logged(before, after):  # whichever of them it is
        assert told(restored_state([event])) == told(after)


def test_the_whole_log_restores_the_last_state() -> None:
    through = states()
    events = [event for at in range(1, len(through)) for event in logged(through[at - 1], through[at])]
    assert told(restored_state(events)) == told(through[-1])
    assert through[-1].live is not None
    assert through[-1].staged is not None
    assert through[-1].previous is not None


def test_a_log_that_began_before_the_whole_state_was_written_goes_on_with_it() -> None:
    before, after = states("stage v1, promote, stage v2, promote")[-2:]
    assert told(restored_state([event("v0", "live"), event("v9", "staged"), *logged(before, after)])) == told(after)


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
