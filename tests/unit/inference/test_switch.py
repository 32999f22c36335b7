"""The moves of a release between staged, live and previous."""

import json

import pytest

from cache.store import ReleaseState
from inference import switch
from inference.release_log import release_events

SHA = "0" * 64


def staged(state: ReleaseState, version: str, now_ms: int = 0) -> ReleaseState:
    return switch.stage(state, version, f"var/releases/main/{version}", SHA, now_ms)


def live(version: str, now_ms: int = 0) -> ReleaseState:
    return switch.promote(staged(ReleaseState(), version), now_ms)


def test_a_first_release_is_staged_and_then_live() -> None:
    state = staged(ReleaseState(), "v1")
    assert (state.live, state.staged, state.previous) == (None, "v1", None)
    state = switch.promote(state, 5)
    assert (state.live, state.staged, state.previous) == ("v1", None, None)
    entry = json.loads(state.entries["v1"])
    assert (entry["location"], entry["sha256"], entry["live_ms"]) == ("var/releases/main/v1", SHA, 5)


def test_promoting_keeps_the_old_version_as_previous() -> None:
    state = switch.promote(staged(live("v1"), "v2"), 7)
    assert (state.live, state.staged, state.previous) == ("v2", None, "v1")
    assert json.loads(state.entries["v1"])["replaced_ms"] == 7


def test_a_rollback_is_the_same_switch_back_and_can_be_undone() -> None:
    state = switch.promote(staged(live("v1"), "v2"), 7)
    back = switch.roll_back(state, 8)
    assert (back.live, back.previous) == ("v1", "v2")
    again = switch.roll_back(back, 9)
    assert (again.live, again.previous) == ("v2", "v1")


def test_a_third_version_retires_the_first() -> None:
    second = switch.promote(staged(live("v1"), "v2"), 1)
    third = switch.promote(staged(second, "v3"), 1 + switch.KEEP_PREVIOUS_MS)
    assert switch.retired(second, third) == ["v1"]
    assert set(third.entries) == {"v2", "v3"}


def test_staging_another_version_gives_up_the_staged_one() -> None:
    first = staged(live("v1"), "v2")
    second = staged(first, "v3")
    assert (second.live, second.staged) == ("v1", "v3")
    assert switch.retired(first, second) == ["v2"]


def test_the_previous_version_is_young_for_fifteen_minutes() -> None:
    state = switch.promote(staged(live("v1"), "v2"), 0)
    assert switch.young_previous_ms(state, 60_000) == switch.KEEP_PREVIOUS_MS - 60_000
    assert switch.young_previous_ms(state, switch.KEEP_PREVIOUS_MS) is None
    assert switch.young_previous_ms(live("v1"), 0) is None


def test_a_previous_version_that_is_young_is_given_up_by_force_alone() -> None:
    second = staged(switch.promote(staged(live("v1"), "v2"), 0), "v3")
    with pytest.raises(switch.SwitchRefused, match=r"v1 .*wait 1 min, or use --force"):
        switch.promote(second, switch.KEEP_PREVIOUS_MS - 1)
    assert switch.promote(second, switch.KEEP_PREVIOUS_MS).previous == "v2"
    assert switch.promote(second, 1, force=True).previous == "v2"


@pytest.mark.parametrize(
    ("move", "why"),
    [
        (lambda: switch.promote(live("v1"), 0), "staged"),
        (lambda: switch.roll_back(live("v1"), 0), "previous"),
        (lambda: staged(live("v1"), "v1"), "live already"),
    ],
)
def test_impossible_moves_are_refused_with_the_reason(move: object, why: str) -> None:
    assert callable(move)
    with pytest.raises(switch.SwitchRefused, match=why):
        move()


def test_the_log_ends_with_the_live_version_since_it_is_compacted_by_model() -> None:
    before = live("v1")
    events = release_events("main", before, staged(before, "v2"))
    assert [(event.version, event.state) for event in events] == [("v2", "staged"), ("v1", "live")]
    second = switch.promote(staged(before, "v2"), 1)
    third = switch.promote(staged(second, "v3"), 2, force=True)
    events = release_events("main", second, third)
    assert [(event.version, event.state) for event in events] == [("v1", "retired"), ("v3", "live")]
