"""The checker finds what is wrong: a check that never fails would prove nothing."""

import json
from dataclasses import dataclass, field

import pytest

from benchmarks import checker
from benchmarks.checker import Verdict, check
from cache.memory import MemoryStore
from cache.store import HistoryEvent, HistoryUpdate, ItemWrite, UserRowWrite
from inference.effects.items import apply_item_updates
from inference.effects.users import apply_activity, refresh_stale
from inference.item_row import ItemState, encode_item_rows
from inference.release import Release, load_release
from inference.training.untrained import untrained_release
from inference.user_row import encode_user_rows
from runtime.ids import ItemId, UserId
from runtime.settings import KafkaSettings
from streams.wire.codec import encode
from streams.wire.events import Activity, ItemUpdate
from streams.wire.record import Received, Record
from streams.wire.topics import Topic
from tests.unit.inference.releases import ITEMS

USER, LENGTH = UserId("u"), 4


@dataclass
class Logs:
    """Topics in memory, in the place of `streams.wire.reader.Reader`."""

    records: dict[str, list[Record]] = field(default_factory=dict)

    def reader(self, settings: KafkaSettings, topic: str) -> "Logs":
        self.topic = topic
        return self

    def __enter__(self) -> "Logs":
        return self

    def __exit__(self, *error: object) -> None: ...

    def read(self) -> list[Record]:
        return self.records[self.topic]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    location = tmp_path_factory.mktemp("release") / "v1"
    untrained_release(location, ITEMS)
    return load_release(location)


@pytest.fixture
async def store(release: Release, monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    """A store that is right: what the agents make of six clicks and of every item."""
    clicks = [
        Activity(
            event_id=f"e{n}", event_time_ms=1000 + n, user_id=USER, item_id=f"item-{n}", kind="click", request_id="r",
            position=0,
        )
        for n in range(6)
    ]  # fmt: skip
    updates = [ItemUpdate(event_id=i, event_time_ms=1, item_id=i, features=f) for i, f in ITEMS.items()]
    logs = Logs(
        {
            Topic.USER_ACTIVITY: [_record(n, USER, encode(event)) for n, event in enumerate(clicks)],
            Topic.ITEM_UPDATES: [_record(n, event.item_id, encode(event)) for n, event in enumerate(updates)],
        }
    )
    monkeypatch.setattr(checker, "Reader", logs.reader)
    store, kept = MemoryStore(history_length=LENGTH), [release.model_version]
    received = [Received(event, Topic.USER_ACTIVITY, 0, n, 0) for n, event in enumerate(clicks)]
    await apply_activity(store, [release], received, kept=kept, now_ms=0)
    await refresh_stale(store, [release], [USER], kept=kept)
    await apply_item_updates(
        store, [release], [Received(event, Topic.ITEM_UPDATES, 0, n, 0) for n, event in enumerate(updates)]
    )
    return store


def _record(offset: int, key: str, value: bytes) -> Record:
    return Record("topic", 0, offset, 0, key.encode(), value)


async def _verdict(store: MemoryStore, release: Release) -> Verdict:
    return await check(store, KafkaSettings(), release, [USER], LENGTH)


async def test_a_right_store_is_found_right(store: MemoryStore, release: Release) -> None:
    verdict = await _verdict(store, release)
    assert verdict.right
    assert (verdict.events, verdict.kept_events, verdict.user_rows, verdict.items) == (6, LENGTH, 1, len(ITEMS))


async def test_a_lost_event_is_found(release: Release, store: MemoryStore) -> None:
    empty = MemoryStore(history_length=LENGTH)
    verdict = await _verdict(empty, release)
    assert (verdict.lost_events, verdict.wrong_histories, verdict.right) == (LENGTH, [USER], False)


async def test_an_event_that_is_not_in_the_log_is_found(store: MemoryStore, release: Release) -> None:
    await store.apply_activity([HistoryUpdate(USER, [HistoryEvent("other", 2000, 1, b"[]")])])
    verdict = await _verdict(store, release)
    assert verdict.wrong_histories == [USER]
    assert not verdict.right


async def test_a_user_row_with_other_values_is_found(store: MemoryStore, release: Release) -> None:
    [history] = await store.read_histories([USER])
    other = type(history)(USER, history.rev, history.payloads[:1], history.as_of_ms)
    [row] = encode_user_rows(release, [other])
    await store.write_user_rows([UserRowWrite(USER, {release.model_version: row})], [release.model_version], 10_000)
    verdict = await _verdict(store, release)
    assert (verdict.wrong_user_rows, verdict.wrong_histories, verdict.right) == ([USER], [], False)


async def test_an_item_with_old_features_is_found(store: MemoryStore, release: Release) -> None:
    item = ItemId("item-3")
    features = {**ITEMS[item], "price": 99.0}
    [row] = encode_item_rows(release, [ItemState(item, features, 4, 1)])
    write = ItemWrite(item, 4, json.dumps(features).encode(), {release.model_version: row})
    await store.write_items([write])
    verdict = await _verdict(store, release)
    assert (verdict.wrong_items, verdict.right) == (["item-3"], False)
