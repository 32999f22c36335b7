"""The log of releases: writes changes of the release state to a topic, and tells the state that the topic leads to."""

import asyncio
import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from cache.store import ReleaseState
from inference.switch import retired
from runtime.clock import now_ms
from runtime.settings import kafka_settings
from streams.wire.events import ModelRelease, ReleasesKept, ReleaseVersion
from streams.wire.producer import Producer
from streams.wire.reach import KafkaUnreachable, reach
from streams.wire.topics import Topic

FLUSH_S = 10.0


def release_events(model: str, before: ReleaseState, after: ReleaseState) -> list[ModelRelease]:
    """What changed, the live version last; each says the whole state, for compaction leaves one of them."""
    changed: list[tuple[str, Literal["staged", "live", "retired"]]] = []
    changed += [(version, "retired") for version in retired(before, after)]
    if after.staged is not None and after.staged != before.staged:
        changed.append((after.staged, "staged"))
    if after.live is not None:
        changed.append((after.live, "live"))
    entries, kept = {**before.entries, **after.entries}, _kept(after)
    return [_event(model, _version(version, entries), state, kept) for version, state in changed if version in entries]


def restored_state(events: Sequence[ModelRelease]) -> ReleaseState:
    """The release state that these events of one model lead to, in their order: that of the last one that says it."""
    state = ReleaseState()
    for event in events:
        state = _state(event.kept) if event.kept is not None else _moved(state, event)
    return state


async def publish_releases(model: str, before: ReleaseState, after: ReleaseState) -> bool:
    """Send the events and wait for the broker; False if it did not take all of them."""
    return await asyncio.to_thread(_publish, release_events(model, before, after))


def _publish(events: list[ModelRelease]) -> bool:
    try:
        producer = Producer(reach(kafka_settings()), source="release")
    except KafkaUnreachable:
        return False
    for event in events:
        producer.send(Topic.MODEL_RELEASES, event.model, event)
    producer.close(FLUSH_S)
    return producer.counts.delivered == len(events)


def _event(
    model: str, version: ReleaseVersion, state: Literal["staged", "live", "retired"], kept: ReleasesKept
) -> ModelRelease:
    return ModelRelease(
        event_id=uuid.uuid4().hex,
        event_time_ms=now_ms(),
        model=model,
        version=version.version,
        state=state,
        location=version.location,
        sha256=version.sha256,
        kept=kept,
    )


def _kept(state: ReleaseState) -> ReleasesKept:
    named = {"live": state.live, "staged": state.staged, "previous": state.previous}
    known = {name: version for name, version in named.items() if version in state.entries}
    return ReleasesKept(**{name: _version(str(version), state.entries) for name, version in known.items()})


def _version(version: str, entries: Mapping[str, str]) -> ReleaseVersion:
    return msgspec.convert({**json.loads(entries[version]), "version": version}, ReleaseVersion)


def _state(kept: ReleasesKept) -> ReleaseState:
    named = {"live": kept.live, "staged": kept.staged, "previous": kept.previous}
    known = {name: version for name, version in named.items() if version is not None}
    entries = {version.version: _entry(version) for version in known.values()}
    return ReleaseState(**{name: version.version for name, version in known.items()}, entries=entries)


def _entry(version: ReleaseVersion) -> str:
    facts = msgspec.to_builtins(version)
    del facts["version"]
    return json.dumps(facts)


def _moved(state: ReleaseState, event: ModelRelease) -> ReleaseState:
    """After an event that says of its own version alone, as older ones do: nothing is known of a previous one."""
    entries = {**state.entries, event.version: json.dumps({"location": event.location, "sha256": event.sha256})}
    live, staged = (None if version == event.version else version for version in (state.live, state.staged))
    if event.state == "live":
        live = event.version
    elif event.state == "staged":
        live, staged = state.live, event.version
    kept = {version: entry for version, entry in entries.items() if version in (live, staged)}
    return ReleaseState(live=live, staged=staged, entries=kept)
