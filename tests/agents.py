"""What agents need around them in integration and chaos tests: topics, a live release, users, clicks."""

import json
import uuid
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition

from cache.store import ReleaseState, Store
from inference.training.untrained import untrained_release
from runtime.clock import now_ms
from runtime.ids import UserId
from runtime.settings import KafkaSettings
from streams.admin import Admin
from streams.lag.groups import AGENT_TOPICS
from streams.wire.events import Activity, Event
from streams.wire.headers import Headers
from streams.wire.producer import Producer
from streams.wire.reader import FromOffsets, Reader
from streams.wire.record import Record
from tests.unit.inference.releases import ITEMS
from tests.waiting import wait_until


@dataclass(slots=True)
class Topics:
    """Sends to topics and reads them back."""

    bootstrap: str
    producer: Producer

    def send(self, topic: str, key: str, event: Event) -> None:
        self.producer.send(topic, key, event)

    def send_raw(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = ()) -> None:
        self.producer.send_raw(topic, key, value, headers)

    def flush(self) -> None:
        assert self.producer.flush(30) == 0

    def ends(self, topic: str) -> dict[int, int]:
        """End offset of each partition."""
        with Reader(KafkaSettings(bootstrap=self.bootstrap), topic) as reader:
            return {partition: high for partition, (_, high) in reader.watermarks().items()}

    def since(self, topic: str, offsets: dict[int, int]) -> list[Record]:
        """Everything after `offsets`."""
        with Reader(KafkaSettings(bootstrap=self.bootstrap), topic) as reader:
            return list(reader.read(FromOffsets(offsets)))


def begin_at_the_end(bootstrap: str, module: str) -> None:
    """The group of the agent `module` has read its topics: what earlier test files left is none of its business."""
    group = "solaris." + module.removeprefix("streams.").replace("_", "-")
    admin, reads = Admin(KafkaSettings(bootstrap=bootstrap)), []
    for topic in AGENT_TOPICS[group]:
        with Reader(KafkaSettings(bootstrap=bootstrap), topic) as reader:
            reads += [
                TopicPartition(topic.value, partition, end) for partition, (_, end) in reader.watermarks().items()
            ]
    wait_until(lambda: admin.group_members([group])[group][1] == 0, 30)  # what was killed is missed after its session
    asked = admin.client.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, reads)])
    for partition in asked[group].result(30).topic_partitions:
        assert partition.error is None, partition.error


async def make_live(store: Store, folder: Path, version: str = "v1", *, live: bool = True, seed: int = 0) -> None:
    """Write an untrained release of the test items and make it live (or staged beside what is live)."""
    location = folder / version
    sha256 = untrained_release(location, ITEMS, version=version, seed=seed)
    before = await store.read_release("main")
    entry = {version: json.dumps({"location": str(location), "sha256": sha256})}
    state = ReleaseState(
        live=version if live else before.live,
        staged=None if live else version,
        previous=before.live if live else before.previous,
        entries={**before.entries, **entry},
    )
    assert await store.change_release("main", before, state)
    await store.set_epochs("test")


def new_user(name: str = "user") -> UserId:
    """A user that no other test knows."""
    return UserId(f"{name}-{uuid.uuid4().hex[:12]}")


def click(user: str, item: str, *, event_id: str | None = None, time_ms: int | None = None) -> Activity:
    """A click, now unless said otherwise."""
    return Activity(
        event_id=event_id or uuid.uuid4().hex,
        event_time_ms=now_ms() if time_ms is None else time_ms,
        user_id=user,
        item_id=item,
        kind="click",
        request_id="r",
        position=0,
    )
