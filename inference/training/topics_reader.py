"""Reads the topics that training joins: the catalogue, what users did, and what was served."""

from collections.abc import Iterator
from typing import TypeVar

from inference.training.dataset import Dataset
from inference.training.progress import Progress
from inference.training.topics_dataset import LabelWindows, join
from runtime import clock
from runtime.ids import ItemId
from runtime.settings import KafkaSettings
from streams.wire.codec import Tombstone, decode
from streams.wire.events import Activity, Event, FeatureValue, ItemUpdate, Slate
from streams.wire.reach import reach
from streams.wire.reader import Reader
from streams.wire.topics import Topic

E = TypeVar("E", bound=Event)


def read_dataset(
    settings: KafkaSettings, context_width: int, windows: LabelWindows | None = None, progress: Progress | None = None
) -> Dataset:
    """Everything on the topics until now, joined; raises TooLittleData, KafkaUnreachable or ReaderError.

    Records that are not events of their topic are passed over: the agents have sent them to the dead letters.
    """
    progress = progress or Progress(quiet=True)
    items = _catalogue(reach(settings))
    activities = list(_events(settings, Topic.USER_ACTIVITY, Activity))
    slates = list(_events(settings, Topic.SLATES_SERVED, Slate))
    progress.say(f"{len(items)} items, {len(activities)} activities, {len(slates)} slates read from the topics")
    return join(items, activities, slates, now_ms=clock.now_ms(), context_width=context_width, windows=windows)


def _catalogue(settings: KafkaSettings) -> dict[ItemId, dict[str, FeatureValue]]:
    items: dict[ItemId, dict[str, FeatureValue]] = {}
    with Reader(settings, Topic.ITEM_UPDATES) as reader:
        for record in reader.read():  # in order within a partition, and an item has one
            event = decode(record.topic, record)
            if isinstance(event, Tombstone):
                items.pop(event.item_id, None)
            elif isinstance(event, ItemUpdate):
                items[ItemId(event.item_id)] = event.features
    return items


def _events(settings: KafkaSettings, topic: Topic, kind: type[E]) -> Iterator[E]:
    with Reader(settings, topic) as reader:
        for record in reader.read():
            event = decode(record.topic, record)
            if isinstance(event, kind):
                yield event
