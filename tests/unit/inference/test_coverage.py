"""What must be in the store before a release goes live."""

import orjson
import pytest

from cache.memory import MemoryStore
from cache.store import HistoryEvent, HistoryUpdate, ItemWrite, PairWrite, UserRowWrite
from inference.coverage import Condition, switch_conditions
from inference.history import encode_event
from inference.item_row import ItemState, encode_item_rows
from inference.pair_row import encode_pair_rows
from inference.release import Release, load_release
from inference.training.untrained import untrained_release
from inference.user_row import encode_user_rows
from runtime.clock import ManualClock
from runtime.ids import ItemId, UserId
from tests.agents import click
from tests.unit.inference.releases import ITEMS

USERS = [UserId(f"u{number}") for number in range(20)]
PAIRED = [ItemId("item-1"), ItemId("item-2")]


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> tuple[Release, Release]:
    """The live one and the staged one."""
    folder = tmp_path_factory.mktemp("releases")
    for seed, version in enumerate(["v1", "v2"]):
        untrained_release(folder / version, ITEMS, version=version, seed=seed)
    return load_release(folder / "v1"), load_release(folder / "v2")


class Coverage:
    """A store with twenty active users; `fill` writes the rows of one release."""

    def __init__(self, live: Release, staged: Release) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock)
        self.live, self.staged = live, staged

    async def begin(self) -> None:
        for user in USERS:
            event = click(user, "item-1", time_ms=self.clock.now_ms())
            await self.store.apply_activity(
                [HistoryUpdate(user, [HistoryEvent(event.event_id, 1, 0, encode_event(event))])]
            )
        await self.store.touch_active({user: self.clock.now_ms() for user in [*USERS, UserId("without-a-history")]})

    async def fill(self, release: Release, num_users: int = len(USERS), num_paired: int = len(USERS)) -> None:
        version = release.model_version
        states = [ItemState(item, features, 1, 1) for item, features in ITEMS.items()]
        rows = encode_item_rows(release, states)
        writes = [
            ItemWrite(state.item, 1, orjson.dumps(state.features), {version: row})
            for state, row in zip(states, rows, strict=True)
        ]
        await self.store.write_items(writes)
        histories = await self.store.read_histories(USERS)
        for history, row in list(zip(histories, encode_user_rows(release, histories), strict=True))[:num_users]:
            await self.store.write_user_rows(
                [UserRowWrite(history.user, {version: row})],
                [self.live.model_version, self.staged.model_version],
                10**6,
            )
        for history in histories[:num_paired]:
            pairs = encode_pair_rows(release, history, [(item, ITEMS[item]) for item in PAIRED])
            write = PairWrite(history.user, dict(zip(PAIRED, pairs, strict=True)))
            await self.store.write_pairs(version, [write], 10**6)

    async def conditions(self) -> dict[str, Condition]:
        found = await switch_conditions(self.store, self.staged.manifest, self.live.model_version, self.clock.now_ms())
        return {condition.name: condition for condition in found}


@pytest.fixture
async def coverage(releases: tuple[Release, Release]) -> Coverage:
    coverage = Coverage(*releases)
    await coverage.begin()
    await coverage.fill(coverage.live)
    return coverage


async def holding(coverage: Coverage) -> set[str]:
    return {name for name, condition in (await coverage.conditions()).items() if condition.holds}


async def test_nothing_holds_before_the_staged_release_is_filled(coverage: Coverage) -> None:
    await coverage.store.acknowledge(coverage.live.model_version, "ranker-1", coverage.clock.now_ms())
    assert await holding(coverage) == set()
    assert "not yet: ranker-1" in (await coverage.conditions())["rankers"].detail


async def test_everything_holds_when_it_is_filled_and_loaded(coverage: Coverage) -> None:
    await coverage.fill(coverage.staged)
    await coverage.store.acknowledge(coverage.staged.model_version, "ranker-1", coverage.clock.now_ms())
    assert await holding(coverage) == {"items", "users", "pairs", "rankers"}


async def test_one_item_without_a_row_is_one_too_many(coverage: Coverage) -> None:
    await coverage.fill(coverage.staged)
    await coverage.store.write_items([ItemWrite(ItemId("new"), 1, b"{}", {})])
    items = (await coverage.conditions())["items"]
    assert (items.holds, items.detail) == (False, "40 of 41 items have a row; the first without: new")


async def test_a_row_that_is_older_than_its_items_features_is_none(coverage: Coverage) -> None:
    await coverage.fill(coverage.staged)
    await coverage.store.write_items([ItemWrite(ItemId("item-1"), 2, b"{}", {})])
    items = (await coverage.conditions())["items"]
    assert (items.holds, items.detail) == (False, "39 of 40 items have a row; the first without: item-1")


async def test_an_item_that_was_deleted_needs_no_row(coverage: Coverage) -> None:
    await coverage.fill(coverage.staged)
    await coverage.store.write_items([ItemWrite(ItemId("gone"), 2, None, {})])
    assert "items" in await holding(coverage)


@pytest.mark.parametrize(("num_users", "holds"), [(19, True), (18, False)])
async def test_ninety_five_percent_of_the_users_with_a_history_are_enough(
    coverage: Coverage, num_users: int, holds: bool
) -> None:
    await coverage.fill(coverage.staged, num_users=num_users)
    assert (await coverage.conditions())["users"].holds is holds


async def test_users_who_were_not_active_lately_are_not_waited_for(coverage: Coverage) -> None:
    coverage.clock.advance(31 * 60)
    assert (await coverage.conditions())["users"].holds


@pytest.mark.parametrize(("num_paired", "holds"), [(16, True), (15, False)])
async def test_pairs_must_reach_four_fifths_of_the_live_release(
    coverage: Coverage, num_paired: int, holds: bool
) -> None:
    await coverage.fill(coverage.staged, num_paired=num_paired)
    assert (await coverage.conditions())["pairs"].holds is holds


async def test_a_ranker_that_is_gone_is_not_waited_for(coverage: Coverage) -> None:
    store, clock = coverage.store, coverage.clock
    await store.acknowledge(coverage.live.model_version, "gone", clock.now_ms())
    clock.advance(11)
    await store.acknowledge(coverage.staged.model_version, "here", clock.now_ms())
    assert (await coverage.conditions())["rankers"].holds
