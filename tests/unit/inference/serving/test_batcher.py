"""The batcher: no timer, one batch at a time, one key a batch."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
import pytest_asyncio

from inference.serving.batcher import Batcher
from tests.waiting import eventually


class Worker:
    """Doubles what it is given; holds its first batch until it is let go."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go = threading.Event()

    def run(self, items: Sequence[int]) -> list[int | Exception]:
        self.batches.append(list(items))
        assert self.go.wait(60)
        if 13 in items:
            raise RuntimeError("thirteen")
        return [ValueError(f"{item} is negative") if item < 0 else item * 2 for item in items]


@pytest_asyncio.fixture
async def worker() -> AsyncIterator[Worker]:
    worker = Worker()
    yield worker
    worker.go.set()


@pytest_asyncio.fixture
async def batcher(worker: Worker) -> AsyncIterator[Batcher[int, int]]:
    executor = ThreadPoolExecutor(1)
    yield Batcher(worker.run, executor, max_size=10)
    worker.go.set()
    executor.shutdown()


async def test_a_free_worker_takes_a_lone_item_at_once(worker: Worker, batcher: Batcher[int, int]) -> None:
    worker.go.set()
    assert await batcher.submit("a", 4) == 8
    assert worker.batches == [[4]]


async def test_what_comes_meanwhile_is_one_batch_in_order(worker: Worker, batcher: Batcher[int, int]) -> None:
    results = asyncio.gather(*[batcher.submit("a", item) for item in (1, 2, 3, 4)])
    await eventually(lambda: worker.batches)
    assert batcher.depth == 3
    worker.go.set()
    assert await results == [2, 4, 6, 8]
    assert worker.batches == [[1], [2, 3, 4]]


async def test_keys_are_never_mixed_and_the_oldest_goes_first(worker: Worker, batcher: Batcher[int, int]) -> None:
    keys = ["a", "b", "c", "b", "c"]
    results = asyncio.gather(*[batcher.submit(key, item) for item, key in enumerate(keys)])
    await eventually(lambda: worker.batches)
    worker.go.set()
    assert await results == [0, 2, 4, 6, 8]
    assert worker.batches == [[0], [1, 3], [2, 4]]


async def test_a_batch_is_bounded_by_size_and_a_larger_item_goes_alone(
    worker: Worker, batcher: Batcher[int, int]
) -> None:
    sizes = [(0, 1), (1, 6), (2, 6), (3, 50), (4, 4)]
    results = asyncio.gather(*[batcher.submit("a", item, size) for item, size in sizes])
    await eventually(lambda: worker.batches)
    worker.go.set()
    await results
    assert worker.batches == [[0], [1, 4], [2], [3]]


async def test_a_batch_is_bounded_by_the_number_of_its_items(worker: Worker) -> None:
    executor = ThreadPoolExecutor(1)
    batcher = Batcher(worker.run, executor, max_size=10, max_items=2)
    results = asyncio.gather(*[batcher.submit("a", item) for item in range(6)])
    await eventually(lambda: worker.batches)
    worker.go.set()
    assert await results == [0, 2, 4, 6, 8, 10]
    assert worker.batches == [[0], [1, 2], [3, 4], [5]]
    executor.shutdown()


async def test_an_error_of_one_item_is_not_that_of_its_batch(worker: Worker, batcher: Batcher[int, int]) -> None:
    results = asyncio.gather(*[batcher.submit("a", item) for item in (1, 2, -3, 4)], return_exceptions=True)
    await eventually(lambda: worker.batches)
    worker.go.set()
    first, second, third, fourth = await results
    assert (first, second, fourth) == (2, 4, 8)
    assert isinstance(third, ValueError)


async def test_an_item_cancelled_before_its_batch_is_not_computed(worker: Worker, batcher: Batcher[int, int]) -> None:
    first, second, third = (batcher.submit("a", item) for item in (1, 2, 3))
    await eventually(lambda: worker.batches)
    second.cancel()
    worker.go.set()
    assert (await first, await third) == (2, 6)
    assert worker.batches == [[1], [3]]


async def test_a_failed_batch_fails_its_items_and_the_next_one_works(
    worker: Worker, batcher: Batcher[int, int]
) -> None:
    worker.go.set()
    with pytest.raises(RuntimeError, match="thirteen"):
        await batcher.submit("a", 13)
    assert await batcher.submit("a", 5) == 10


async def test_those_who_gave_up_do_not_pile_up_behind_a_batch_that_hangs(
    worker: Worker, batcher: Batcher[int, int]
) -> None:
    first = batcher.submit("a", 0)
    await eventually(lambda: worker.batches)
    assert batcher.depth == 0
    for item in range(1, 100):
        batcher.submit("a", item).cancel()
    await eventually(lambda: batcher.depth == 0)
    assert batcher.running_s() > 0
    worker.go.set()
    assert await first == 0
    await eventually(lambda: batcher.running_s() == 0)
    assert worker.batches == [[0]]
