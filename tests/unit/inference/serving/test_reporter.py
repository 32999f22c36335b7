"""Reporting: bounded, counted, and never in the way of an answer."""

import asyncio

import pytest
from prometheus_client import REGISTRY

from cache.memory import MemoryStore
from inference.serving.reporter import MAX_MISSING, MemorySink, Reporter
from inference.serving.watermarks import Watermarks
from runtime.clock import ManualClock
from runtime.ids import ItemId, ModelVersion, UserId
from streams.wire.codec import decode_value, encode
from streams.wire.events import Event, Slate
from streams.wire.partition import murmur2, partition_of
from streams.wire.topics import TOPICS, Topic
from tests.unit.inference.serving.world import World
from tests.waiting import eventually

RELEASE = ModelVersion("main", "v1")


def counted(topic: str, outcome: str) -> float:
    labels = {"topic": topic, "outcome": outcome}
    return REGISTRY.get_sample_value("solaris_ranker_reports_total", labels) or 0.0


def suppressed() -> float:
    return REGISTRY.get_sample_value("solaris_ranker_misses_suppressed_total", {"kind": "item"}) or 0.0


class FullSink:
    """Takes nothing."""

    def send(self, topic: str, key: str, event: Event) -> None:
        raise RuntimeError("the queue is full")


def reporter(sink: MemorySink | FullSink, max_waiting: int = 100) -> Reporter:
    return Reporter(sink, ManualClock(), max_waiting, max_misses_per_s=1_000)


class CountingClock(ManualClock):
    """Counts how often it is looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    def now_ms(self) -> int:
        self.reads += 1
        return super().now_ms()

    def monotonic(self) -> float:
        self.reads += 1
        return super().monotonic()


async def test_what_does_not_fit_is_dropped_and_counted() -> None:
    sink = MemorySink()
    small, before = reporter(sink, max_waiting=3), counted(Topic.USER_MISSES, "dropped")
    for number in range(10):
        small.missing_user(RELEASE, UserId(f"u{number}"))
    small.drain()
    assert len(sink.sent) == 3
    assert counted(Topic.USER_MISSES, "dropped") == before + 7


async def test_lists_of_missing_items_beyond_the_bound_are_dropped_and_counted() -> None:
    sink = MemorySink()
    small, before = reporter(sink), counted(Topic.ITEM_MISSES, "dropped")
    full = [ItemId(f"i{number}") for number in range(MAX_MISSING)]
    small.missing_items(RELEASE, full)
    small.missing_items(RELEASE, full[:70])
    assert counted(Topic.ITEM_MISSES, "dropped") == before + 70
    small.drain()
    assert len(sink.sent) == 1_000  # what the rate allows at once
    small.missing_items(RELEASE, full[:70])
    assert counted(Topic.ITEM_MISSES, "dropped") == before + 70


async def test_a_long_list_of_missing_items_costs_the_request_nothing_and_the_others_little() -> None:
    sink, clock = MemorySink(), CountingClock()
    working, before = Reporter(sink, clock, 100, max_misses_per_s=20_000), suppressed()
    clock.reads = 0
    working.missing_items(RELEASE, [ItemId(f"i{number}") for number in range(10_000)] + [ItemId("i0")])
    assert (sink.sent, clock.reads) == ([], 1)
    running, most = asyncio.create_task(working.run()), 0
    while len(sink.sent) < 10_000:
        sent = len(sink.sent)
        await asyncio.sleep(0)  # one turn of the event loop, in which a request would come to its turn
        most = max(most, len(sink.sent) - sent)
    assert most <= 100
    await eventually(lambda: suppressed() == before + 1)
    assert clock.reads < 300
    running.cancel()


async def test_a_producer_that_takes_nothing_is_counted_and_does_not_stop_the_reports() -> None:
    broken, before = reporter(FullSink()), counted(Topic.USER_MISSES, "failed")
    running = asyncio.create_task(broken.run())
    for number in range(3):
        broken.missing_user(RELEASE, UserId(f"u{number}"))
    await eventually(lambda: counted(Topic.USER_MISSES, "failed") == before + 3)
    assert not running.done()
    running.cancel()


async def test_a_slate_that_cannot_be_reported_is_counted_and_does_not_stop_the_reports(
    warm: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Reporter, served: object) -> None:
        raise RuntimeError("a defect")

    before = counted(Topic.SLATES_SERVED, "failed")
    monkeypatch.setattr(Reporter, "_slate", fail)
    await warm.answer(request_id="r1")
    await eventually(lambda: counted(Topic.SLATES_SERVED, "failed") == before + 1)
    monkeypatch.undo()
    await warm.answer(request_id="r2")
    await eventually(lambda: any(topic == Topic.SLATES_SERVED for topic, _, _ in warm.sink.sent))
    assert warm.app.readiness.failures() == {}


async def test_reports_leave_by_themselves_keyed_by_what_must_stay_in_order() -> None:
    sink = MemorySink()
    working = reporter(sink)
    running = asyncio.create_task(working.run())
    working.missing_items(RELEASE, [ItemId("i1")])
    working.missing_user(RELEASE, UserId("u1"))
    await eventually(lambda: len(sink.sent) == 2)
    assert [(topic, key) for topic, key, _ in sink.sent] == [(Topic.ITEM_MISSES, "i1"), (Topic.USER_MISSES, "u1")]
    running.cancel()


async def test_a_slate_survives_the_wire(warm: World) -> None:
    await warm.answer(k=3)
    (slate,) = warm.sent(Topic.SLATES_SERVED)
    assert isinstance(slate, Slate)
    assert decode_value(Topic.SLATES_SERVED, encode(slate)) == slate


async def test_one_slate_in_a_hundred_carries_the_pair_rows(warm: World) -> None:
    for number in range(300):
        await warm.answer(k=40, request_id=f"r{number}")
    slates = warm.sent(Topic.SLATES_SERVED)
    whole = [slate for slate in slates if any(item.vector for item in slate.items)]
    assert 0 < len(whole) < 15
    assert {item.item_id for slate in whole for item in slate.items if item.vector} == {"item-1", "item-2", "item-3"}


async def test_behind_is_the_older_of_the_users_partition_and_all_item_partitions() -> None:
    clock, store = ManualClock(), MemoryStore()
    watermarks = Watermarks(store, clock)
    user = UserId("u1")
    own = partition_of(user, TOPICS[Topic.USER_ACTIVITY].num_partitions)
    now_ms = clock.now_ms()
    await store.write_watermarks(Topic.USER_ACTIVITY, {own: now_ms - 300, (own + 1) % 8: now_ms - 90_000})
    await store.write_watermarks(Topic.ITEM_UPDATES, dict.fromkeys(range(7), now_ms - 100))
    await watermarks.refresh()
    assert watermarks.behind_ms(user) is None  # one item partition is missing
    await store.write_watermarks(Topic.ITEM_UPDATES, {7: now_ms - 200})
    await watermarks.refresh()
    assert watermarks.behind_ms(user) == 300
    clock.advance(1.5)
    assert watermarks.behind_ms(user) == 1_800


@pytest.mark.parametrize(
    ("key", "hashed"), [("21", -973932308), ("foobar", -790332482), ("a-little-bit-long-string", -985981536)]
)
def test_keys_are_hashed_as_kafkas_own_tests_have_it(key: str, hashed: int) -> None:
    assert murmur2(key.encode()) == hashed % 2**32


async def test_the_oldest_watermark_is_known_once_every_partition_has_one() -> None:
    clock, store = ManualClock(), MemoryStore()
    watermarks = Watermarks(store, clock)
    now_ms = clock.now_ms()
    await store.write_watermarks(Topic.ITEM_UPDATES, dict.fromkeys(range(8), now_ms - 100))
    await store.write_watermarks(Topic.USER_ACTIVITY, dict.fromkeys(range(7), now_ms - 50))
    await watermarks.refresh()
    assert watermarks.oldest_ms() is None
    await store.write_watermarks(Topic.USER_ACTIVITY, {7: now_ms - 900})
    await watermarks.refresh()
    assert watermarks.oldest_ms() == now_ms - 900
