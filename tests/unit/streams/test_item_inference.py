"""What item inference does when the releases change under its batches."""

from collections.abc import Callable, Sequence
from typing import NoReturn, TypeVar, cast

import pytest

from cache.memory import MemoryStore
from cache.row import rev_of
from inference.release import Release, load_release
from inference.training.untrained import untrained_release
from runtime.clock import ManualClock
from runtime.ids import ItemId, ModelVersion
from streams.agent.bench import Bench
from streams.agent.loop import AnyReceived
from streams.item_inference import REPAIR_RETRY_S, ItemWorker
from streams.wire.events import ItemUpdate
from streams.wire.record import Received
from streams.wire.topics import Topic
from tests.unit.inference.releases import ITEMS

ITEM = ItemId("item-1")
T = TypeVar("T")


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> tuple[Release, Release]:
    """Live and staged."""
    folder = tmp_path_factory.mktemp("releases")
    for seed, version in enumerate(("v1", "v2")):
        untrained_release(folder / version, ITEMS, version=version, seed=seed)
    return load_release(folder / "v1"), load_release(folder / "v2")


class FakeBench:
    """A store in memory, and releases that change when a test says so, also in the middle of a computation."""

    def __init__(self, *releases: Release) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock)
        self.writable = list(releases)
        self.meanwhile: Callable[[], None] | None = None

    @property
    def watcher(self) -> "FakeBench":
        return self

    @property
    def kept(self) -> Sequence[ModelVersion]:
        return [release.model_version for release in self.writable]

    async def releases(self) -> Sequence[Release]:
        return list(self.writable)

    async def compute(self, work: Callable[[], T]) -> T:
        done = work()
        if self.meanwhile is not None:
            happens, self.meanwhile = self.meanwhile, None
            happens()
        return done

    def worker(self) -> ItemWorker:
        return ItemWorker(cast(Bench, self))

    async def row(self, release: Release) -> bytes | None:
        return (await self.store.read_item_rows(release.model_version, [ITEM]))[0]


def update(offset: int) -> list[AnyReceived]:
    event = ItemUpdate(event_id=f"e{offset}", event_time_ms=1, item_id=ITEM, features=ITEMS[ITEM])
    return [Received(event, Topic.ITEM_UPDATES.value, 0, offset, 1)]


async def test_a_batch_under_which_a_release_is_staged_is_applied_to_it_too(releases: tuple[Release, Release]) -> None:
    live, staged = releases
    bench = FakeBench(live)
    bench.meanwhile = lambda: bench.writable.append(staged)
    await bench.worker().apply(update(6))
    assert [rev_of(await bench.row(release)) for release in releases] == [7, 7]


async def test_a_batch_under_which_a_release_is_retired_leaves_no_rows_of_it(
    releases: tuple[Release, Release],
) -> None:
    live, staged = releases
    bench = FakeBench(live, staged)
    bench.meanwhile = lambda: bench.writable.remove(staged)
    await bench.worker().apply(update(6))
    assert rev_of(await bench.row(live)) == 7
    assert await bench.row(staged) is None


async def test_rows_written_before_a_retirement_was_known_are_dropped_and_written_again_if_it_is_staged_again(
    releases: tuple[Release, Release],
) -> None:
    live, staged = releases
    bench = FakeBench(live, staged)
    worker = bench.worker()
    await worker.tidy()
    await worker.apply(update(6))
    bench.writable.remove(staged)
    await worker.tidy()
    assert rev_of(await bench.row(live)) == 7
    assert await bench.row(staged) is None
    bench.writable.append(staged)
    await worker.tidy()
    assert rev_of(await bench.row(staged)) == 7


async def test_a_staged_release_that_cannot_be_repaired_is_tried_again_later(
    releases: tuple[Release, Release], monkeypatch: pytest.MonkeyPatch
) -> None:
    live, staged = releases
    bench = FakeBench(live)
    worker = bench.worker()
    await worker.apply(update(6))

    def fail(_: object) -> NoReturn:
        raise RuntimeError("this tower is broken")

    with monkeypatch.context() as broken:
        broken.setattr(staged, "item_rows", fail)
        bench.writable.append(staged)
        await worker.tidy()
    await worker.tidy()
    assert await bench.row(staged) is None
    bench.clock.advance(REPAIR_RETRY_S)
    await worker.tidy()
    assert rev_of(await bench.row(staged)) == 7
