"""Releases by compare-and-set, acknowledgements, watermarks, epochs."""

from cache.store import ReleaseState, Store
from tests.integration.cache.rows import LIVE, STAGED
from tests.waiting import eventually


async def test_unknown_model_has_no_release(store: Store) -> None:
    assert await store.read_release("main") == ReleaseState()


async def test_release_changes_only_from_the_state_expected(store: Store) -> None:
    staged = ReleaseState(staged="v1", entries={"v1": '{"location":"here"}'})
    live = ReleaseState(live="v1", entries=staged.entries)
    assert await store.change_release("main", ReleaseState(), staged)
    assert not await store.change_release("main", ReleaseState(), live)
    assert await store.read_release("main") == staged
    assert await store.change_release("main", staged, live)
    assert await store.read_release("main") == live
    assert await store.read_release("other") == ReleaseState()


async def test_entries_do_not_take_part_in_the_comparison(store: Store) -> None:
    live = ReleaseState(live="v1", entries={"v1": "{}"})
    await store.change_release("main", ReleaseState(), live)
    assert await store.change_release("main", ReleaseState(live="v1"), ReleaseState(live="v2", previous="v1"))
    assert await store.read_release("main") == ReleaseState(live="v2", previous="v1")


async def test_rankers_acknowledge_what_they_loaded(store: Store) -> None:
    await store.acknowledge(LIVE, "ranker-1", 1_700_000_000_000)
    await store.acknowledge(LIVE, "ranker-2", 1_700_000_005_000)
    await store.acknowledge(LIVE, "ranker-1", 1_699_999_999_000)
    assert sorted(await store.acknowledged(LIVE, 1_700_000_000_000)) == ["ranker-1", "ranker-2"]
    assert await store.acknowledged(LIVE, 1_700_000_000_001) == ["ranker-2"]
    assert await store.acknowledged(STAGED, 0) == []
    await store.drop_version(LIVE)
    assert await store.acknowledged(LIVE, 0) == []


async def test_capacities_of_all_workers_add_up_until_they_are_forgotten(store: Store) -> None:
    assert await store.read_capacity("pairs") == 0
    await store.publish_capacity("pairs", "one", 100.0, 60_000)
    await store.publish_capacity("pairs", "one", 120.5, 60_000)
    await store.publish_capacity("pairs", "two", 50.0, 60_000)
    await store.publish_capacity("other", "two", 9.0, 60_000)
    assert await store.read_capacity("pairs") == 170.5
    await store.publish_capacity("pairs", "two", 50.0, 1)

    async def is_forgotten() -> bool:
        return await store.read_capacity("pairs") == 120.5

    await eventually(is_forgotten)


async def test_watermarks_only_rise(store: Store) -> None:
    await store.write_watermarks("activity", {0: 100, 7: 1_700_000_000_000})
    await store.write_watermarks("activity", {0: 99, 7: 1_700_000_000_001, 1: 0})
    await store.write_watermarks("activity", {})
    found = await store.read_watermarks(["activity", "items"])
    assert found == {"activity": {0: 100, 7: 1_700_000_000_001, 1: 0}, "items": {}}


async def test_epochs_are_missing_until_they_are_set(store: Store) -> None:
    assert await store.missing_epochs() == list(range(64))
    await store.set_epochs("2026")
    assert await store.missing_epochs() == []


async def test_store_answers(store: Store) -> None:
    await store.ping()
