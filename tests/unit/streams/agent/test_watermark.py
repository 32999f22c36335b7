"""The watermark rule, and what the task writes."""

from collections.abc import Mapping, Sequence

import pytest

from cache.memory import MemoryStore
from runtime.clock import ManualClock
from streams.agent.progress import Done, Partition, Progress
from streams.agent.watermark import Fetched, Watermarks, watermark_ms

P0, P1 = Partition("t", 0), Partition("t", 1)


@pytest.mark.parametrize(
    ("done", "start", "fetched", "expected"),
    [
        pytest.param(Done(9, 100), None, Fetched(10, 500), 500, id="caught up: the broker's last answer"),
        pytest.param(Done(9, 100), None, Fetched(12, 500), 99, id="behind: before the last record done"),
        pytest.param(None, 10, Fetched(10, 500), 500, id="nothing came since the start: the broker's last answer"),
        pytest.param(None, 0, Fetched(0, 500), 500, id="an empty partition is caught up"),
        pytest.param(None, 8, Fetched(10, 500), None, id="nothing done yet: nothing is known"),
        pytest.param(None, None, Fetched(10, 500), None, id="no start: nothing is known"),
        pytest.param(Done(9, 100), 7, Fetched(None, None), 99, id="the broker has not answered"),
        pytest.param(Done(9, 100), 30, Fetched(30, 500), 500, id="another member went further"),
        pytest.param(Done(99, 100), None, Fetched(10, 500), 99, id="a topic made anew is not caught up"),
    ],
)
def test_the_watermark_claims_no_more_than_is_in(
    done: Done | None, start: int | None, fetched: Fetched, expected: int | None
) -> None:
    assert watermark_ms(done, start, fetched) == expected


class View:
    def __init__(self) -> None:
        self.own = frozenset({P0, P1, Partition("other", 0)})
        self.generations = 1
        self.ends = {P0: Fetched(5, 1_000), P1: Fetched(0, 1_000)}
        self.starts = {P0: 5, P1: 0}

    def assignment(self) -> frozenset[Partition]:
        return self.own

    def generation(self) -> int:
        return self.generations

    def fetched(self, partition: Partition) -> Fetched:
        return self.ends[partition]

    async def start_offsets(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        return {partition: self.starts[partition] for partition in partitions}


async def test_a_frozen_broker_does_not_move_the_watermark_of_an_idle_agent() -> None:
    store, view = MemoryStore(), View()
    marks = Watermarks(store, ["t"], Progress(), lambda: view, ManualClock())
    await marks.tick()
    assert await store.read_watermarks(["t"]) == {"t": {0: 1_000, 1: 1_000}}
    await marks.tick()
    assert await store.read_watermarks(["t"]) == {"t": {0: 1_000, 1: 1_000}}
    view.ends[P1] = Fetched(0, 2_000)
    await marks.tick()
    assert await store.read_watermarks(["t"]) == {"t": {0: 1_000, 1: 2_000}}


async def test_a_partition_that_comes_back_is_judged_by_where_the_group_is_now() -> None:
    store, view, progress = MemoryStore(), View(), Progress()
    marks = Watermarks(store, ["t"], progress, lambda: view, ManualClock())
    progress.done = {P0: Done(4, 900)}
    await marks.tick()
    view.own, view.generations = frozenset({P1}), 2
    await marks.tick()
    assert P0 not in progress.done
    view.own, view.generations, view.starts[P0], view.ends[P0] = frozenset({P0}), 3, 50, Fetched(50, 3_000)
    await marks.tick()
    assert (await store.read_watermarks(["t"]))["t"][0] == 3_000


async def test_a_store_that_is_away_costs_a_tick_and_nothing_else() -> None:
    store, view = MemoryStore(), View()
    marks = Watermarks(store, ["t"], Progress(), lambda: view, ManualClock())
    store.unavailable = "connection"
    await marks.tick()
    store.unavailable = None
    await marks.tick()
    assert (await store.read_watermarks(["t"]))["t"][0] == 1_000
