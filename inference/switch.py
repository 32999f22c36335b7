"""The moves of a release through its states: pure. What must hold before it goes live is in `inference.coverage`."""

import dataclasses
import json
import math
from collections.abc import Mapping

from cache.store import ReleaseState

KEEP_PREVIOUS_MS = 15 * 60_000  # the old version stays this long, so that a rollback finds its rows


class SwitchRefused(ValueError):
    """The move is not possible from this state."""


def stage(state: ReleaseState, version: str, location: str, sha256: str, now_ms: int) -> ReleaseState:
    """`version` becomes staged: agents and rebuild fill its rows, rankers load it."""
    if version == state.live:
        raise SwitchRefused(f"{version} is live already")
    entry = {"location": location, "sha256": sha256, "staged_ms": now_ms}
    previous = None if version == state.previous else state.previous
    return _kept(ReleaseState(state.live, version, previous, {**state.entries, version: json.dumps(entry)}))


def promote(state: ReleaseState, now_ms: int, *, force: bool = False) -> ReleaseState:
    """The staged version goes live; the live one stays as previous, and the previous one is given up.

    Raises SwitchRefused if that was live in the last 15 minutes, unless `force`.
    """
    if state.staged is None:
        raise SwitchRefused("no version is staged")
    if not force and (left_ms := young_previous_ms(state, now_ms)) is not None:
        raise SwitchRefused(
            f"{state.previous} was live less than 15 minutes ago and would be given up; "
            f"wait {math.ceil(left_ms / 60_000)} min, or use --force"
        )
    entries = _stamped(_stamped(state.entries, state.staged, "live_ms", now_ms), state.live, "replaced_ms", now_ms)
    return _kept(ReleaseState(state.staged, None, state.live, entries))


def roll_back(state: ReleaseState, now_ms: int) -> ReleaseState:
    """The previous version goes live again, by the same switch back; what is staged stays staged."""
    if state.previous is None:
        raise SwitchRefused("there is no previous version")
    entries = _stamped(_stamped(state.entries, state.previous, "live_ms", now_ms), state.live, "replaced_ms", now_ms)
    return _kept(ReleaseState(state.previous, state.staged, state.live, entries))


def retired(before: ReleaseState, after: ReleaseState) -> list[str]:
    """Versions that are no longer kept."""
    return [version for version in before.kept if version not in after.kept]


def young_previous_ms(state: ReleaseState, now_ms: int) -> int | None:
    """How long the previous version must still be kept, None if it need not."""
    if state.previous is None:
        return None
    replaced_ms = json.loads(state.entries.get(state.previous, "{}")).get("replaced_ms")
    left_ms = 0 if replaced_ms is None else replaced_ms + KEEP_PREVIOUS_MS - now_ms
    return left_ms if left_ms > 0 else None


def _stamped(entries: Mapping[str, str], version: str | None, name: str, now_ms: int) -> dict[str, str]:
    if version is None or version not in entries:
        return dict(entries)
    return {**entries, version: json.dumps({**json.loads(entries[version]), name: now_ms})}


def _kept(state: ReleaseState) -> ReleaseState:
    return dataclasses.replace(state, entries={v: entry for v, entry in state.entries.items() if v in state.kept})
