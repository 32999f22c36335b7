"""Writes changes of the release state to the topic that it can be restored from."""

import asyncio
import json
import time
import uuid
from typing import Literal

from cache.store import ReleaseState
from inference.switch import retired
from runtime.settings import kafka_settings
from streams.wire.events import ModelRelease
from streams.wire.producer import Producer
from streams.wire.topics import Topic

FLUSH_S = 10.0


def release_events(model: str, before: ReleaseState, after: ReleaseState) -> list[ModelRelease]:
    """What changed, the live version last: the topic is compacted by model, and the last one is what stays."""
    changed: list[tuple[str, Literal["staged", "live", "retired"]]] = []
    changed += [(version, "retired") for version in retired(before, after)]
    if after.staged is not None and after.staged != before.staged:
        changed.append((after.staged, "staged"))
    if after.live is not None:
        changed.append((after.live, "live"))
    entries = {**before.entries, **after.entries}
    return [_event(model, version, state, entries[version]) for version, state in changed if version in entries]


async def publish_releases(model: str, before: ReleaseState, after: ReleaseState) -> bool:
    """Send the events and wait for the broker; False if it did not take all of them."""
    return await asyncio.to_thread(_publish, release_events(model, before, after))


def _publish(events: list[ModelRelease]) -> bool:
    producer = Producer(kafka_settings(), source="release")
    for event in events:
        producer.send(Topic.MODEL_RELEASES, event.model, event)
    producer.close(FLUSH_S)
    return producer.counts.delivered == len(events)


def _event(model: str, version: str, state: Literal["staged", "live", "retired"], entry: str) -> ModelRelease:
    facts = json.loads(entry)
    return ModelRelease(
        event_id=uuid.uuid4().hex,
        event_time_ms=time.time_ns() // 1_000_000,
        model=model,
        version=version,
        state=state,
        location=facts["location"],
        sha256=facts["sha256"],
    )
