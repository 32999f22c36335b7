"""Made-up activity: which users click what, the same for the same seed."""

import random
from collections.abc import Iterable, Iterator, Sequence

from runtime.clock import SystemClock
from runtime.ids import ItemId, UserId
from streams.commands.sending import Outgoing, send_when_room
from streams.wire.events import Activity, Event
from streams.wire.producer import Producer
from streams.wire.topics import Topic

FLUSH_S = 120.0


def users(number: int) -> list[UserId]:
    """Ids of `number` users."""
    return [UserId(f"user-{n}") for n in range(number)]


def clicks(number: int, of: Sequence[UserId], items: Sequence[ItemId], seed: int = 0) -> Iterator[Activity]:
    """Clicks now, each by a random user on a random item; ids are unique within a seed."""
    chance, clock = random.Random(seed), SystemClock()
    for n in range(number):
        yield click(f"click-{seed}-{n}", chance.choice(of), chance.choice(items), clock.now_ms())


def click(event_id: str, user: UserId, item: ItemId, time_ms: int) -> Activity:
    """One click."""
    return Activity(
        event_id=event_id, event_time_ms=time_ms, user_id=user, item_id=item, kind="click", surface="home",
        request_id=f"request-{event_id}", position=3,
    )  # fmt: skip


def send_all(producer: Producer, events: Iterable[tuple[Topic, Event]]) -> int:
    """Send events and wait until the broker has all of them; returns their number, RuntimeError if one was lost."""
    number = 0
    for topic, event in events:
        send_when_room(producer, Outgoing.of(topic, event, "solaris/benchmarks"))
        number += 1
    if producer.flush(FLUSH_S) or producer.counts.failed:
        raise RuntimeError(f"not delivered: {producer.counts}")
    return number
