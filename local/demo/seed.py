"""The world's past on the topics: its catalogue, and what its users did before the demo began."""

import asyncio
import time

from inference.synthetic.world import World
from runtime.settings import KafkaSettings
from streams.admin import Admin
from streams.wire.events import Event
from streams.wire.producer import Producer, ProducerFull
from streams.wire.reader import Reader
from streams.wire.topics import Topic

USER_GROUP = "solaris.user-refresh"
ITEM_GROUP = "solaris.item-inference"
FLUSH_S = 60.0
CATCH_UP_S = 120.0


def is_seeded(settings: KafkaSettings) -> bool:
    """Whether an earlier demo has put the past on the topics."""
    return any(end > 0 for end in end_offsets(settings, Topic.ITEM_UPDATES).values())


def seed(world: World, producer: Producer, now_ms: int) -> int:
    """Publish every item and every click and conversion of the past; returns the number of events."""
    num_events = 0
    for update in world.item_updates(now_ms):
        _send(producer, Topic.ITEM_UPDATES, update.item_id, update)
        num_events += 1
    for activity in world.past(now_ms).activity(("click", "conversion")):
        _send(producer, Topic.USER_ACTIVITY, activity.user_id, activity)
        num_events += 1
    undelivered = producer.flush(FLUSH_S)
    if undelivered:
        raise RuntimeError(f"{undelivered} of {num_events} events did not reach Kafka: {producer.error}")
    return num_events


async def caught_up(settings: KafkaSettings) -> float:
    """Wait until both nearline agents have done what is on their topics now; returns seconds waited."""
    start_s = time.monotonic()
    wanted = {
        (group, topic, partition): end
        for group, topic in ((USER_GROUP, Topic.USER_ACTIVITY), (ITEM_GROUP, Topic.ITEM_UPDATES))
        for partition, end in end_offsets(settings, topic).items()
        if end > 0
    }
    admin = Admin(settings)
    while True:
        offsets = await asyncio.to_thread(admin.group_offsets, (USER_GROUP, ITEM_GROUP))
        behind = sum(
            max(0, end - offsets[group].get((str(topic), partition), 0))
            for (group, topic, partition), end in wanted.items()
        )
        if behind == 0:
            return time.monotonic() - start_s
        if time.monotonic() - start_s > CATCH_UP_S:
            raise TimeoutError(f"the agents are still {behind} records behind after {CATCH_UP_S:.0f} s")
        await asyncio.sleep(0.1)


def end_offsets(settings: KafkaSettings, topic: Topic) -> dict[int, int]:
    """One past the newest record, by partition."""
    with Reader(settings, topic) as reader:
        return {partition: end for partition, (_, end) in reader.watermarks().items()}


def _send(producer: Producer, topic: Topic, key: str, event: Event) -> None:
    while True:
        try:
            producer.send(topic, key, event)
            return
        except ProducerFull:
            time.sleep(0.05)  # the queue drains while we wait
