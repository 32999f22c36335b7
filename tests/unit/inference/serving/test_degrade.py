"""Every rung of the ladder, stood on over HTTP. A rung without a test here is refused by the last test."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from prometheus_client import REGISTRY

from cache.store import History, Hydrated, ReleaseState
from inference.protocol import RankInputs, RankOutputs
from inference.serving import degrade
from inference.serving.degrade import LADDER, Answer, Reason
from inference.serving.settings import RankerSettings
from runtime.ids import ItemId, ModelVersion, UserId
from streams.wire.topics import Topic
from tests.unit.inference.serving.world import MODEL, USER, World, candidates, running_world

LATE_MS = 4_000  # deadline of a request for which something is late

TESTED: dict[Reason, Callable[[World], Awaitable[dict[str, Any]]]] = {}

Scenario = Callable[[World], Awaitable[dict[str, Any]]]


def stands_on(reason: Reason) -> Callable[[Scenario], Scenario]:
    """The scenario that puts a warm ranker on this rung and returns what it answers there."""

    def register(scenario: Scenario) -> Scenario:
        TESTED[reason] = scenario
        return scenario

    return register


@stands_on(Reason.BEHIND)
async def _behind(world: World) -> dict[str, Any]:
    # In the store, since the ranker reads it anew once a second, which may be now.
    world.store._watermarks[Topic.ITEM_UPDATES] = {
        partition: mark_ms - 120_000 for partition, mark_ms in world.store._watermarks[Topic.ITEM_UPDATES].items()
    }
    await world.app.watermarks.refresh()
    answer = await world.answer()
    assert answer["behind_ms"] > 60_000
    return answer


@stands_on(Reason.WATERMARK_MISSING)
async def _watermark_missing(world: World) -> dict[str, Any]:
    world.store._watermarks.clear()
    await world.app.watermarks.refresh()
    answer = await world.answer()
    assert answer["behind_ms"] is None
    return answer


@stands_on(Reason.RELEASE_STALE)
async def _release_stale(world: World) -> dict[str, Any]:
    state = await world.store.read_release(MODEL)
    broken = ReleaseState(live="v2", entries={**state.entries, "v2": '{"location": "nowhere", "sha256": "0"}'})
    assert await world.store.change_release(MODEL, state, broken)
    await world.app.watcher.refresh()
    answer = await world.answer()
    assert answer["version"] == "v1"
    return answer


@stands_on(Reason.ITEMS_MISSING)
async def _items_missing(world: World) -> dict[str, Any]:
    return await world.answer(candidates=candidates(["item-1", "unheard-of"]))


@stands_on(Reason.ROWS_CORRUPT)
async def _rows_corrupt(world: World) -> dict[str, Any]:
    rows = world.store._item_rows[world.release.model_version]
    rows[ItemId("item-4")] = rows[ItemId("item-4")][:-1] + b"\xff"
    answer = await world.answer(k=40)
    assert {item["item_id"] for item in answer["items"] if item["item_source"] == "default"} == {"item-4"}
    assert [event.item_id for event in world.sent(Topic.ITEM_MISSES)] == ["item-4"]
    return answer


@stands_on(Reason.USER_FAILOVER)
async def _user_failover(world: World) -> dict[str, Any]:
    before = (await world.answer())["user"]["as_of_ms"]
    await world.click("item-20", offset=9)
    _break_tower(world)
    answer = await world.answer()
    assert answer["user"]["source"] == "failover"
    assert answer["user"]["as_of_ms"] == before
    return answer


@stands_on(Reason.USER_DEFAULT)
async def _user_default(world: World) -> dict[str, Any]:
    await world.click("item-20", user=UserId("other"))
    _break_tower(world)
    answer = await world.answer(user_id="other")
    assert answer["user"] == {"source": "default", "age_ms": None, "as_of_ms": None}
    return answer


@stands_on(Reason.STORE_UNAVAILABLE)
async def _store_unavailable(world: World) -> dict[str, Any]:
    world.store.unavailable = "connection"
    return await world.answer()


@stands_on(Reason.HYDRATE_LATE)
async def _hydrate_late(world: World) -> dict[str, Any]:
    async def hang(release: ModelVersion, user: UserId, items: Sequence[ItemId]) -> Hydrated:
        await asyncio.Event().wait()
        raise AssertionError

    world.store.hydrate = hang  # type: ignore[method-assign]
    return await world.answer(deadline_ms=LATE_MS)


@stands_on(Reason.SCORE_LATE)
async def _score_late(world: World) -> dict[str, Any]:
    import threading

    release = world.app.watcher.live
    assert release is not None
    until = threading.Event()

    def hang(variant: str, inputs: RankInputs) -> RankOutputs:
        until.wait(30)
        raise RuntimeError("too late for anybody")

    release.score = hang  # type: ignore[method-assign]
    try:
        return await world.answer(deadline_ms=LATE_MS)
    finally:
        until.set()


@stands_on(Reason.SCORE_FAILED)
async def _score_failed(world: World) -> dict[str, Any]:
    release = world.app.watcher.live
    assert release is not None
    score = release.score

    def nan(variant: str, inputs: RankInputs) -> RankOutputs:
        outputs = score(variant, inputs)
        return RankOutputs(outputs.p_click * float("nan"), outputs.p_conversion)

    release.score = nan  # type: ignore[method-assign]
    return await world.answer()


@stands_on(Reason.OVERLOADED)
async def _overloaded(world: World) -> dict[str, Any]:
    world.app.ranker.admission.scoring.add(40, 10.0)
    world.app.ranker.admission.requests += 1
    response = await world.rank(deadline_ms=2_000)
    assert response.status_code == 429
    assert int(response.headers["retry-after"]) >= 1
    return dict(response.json())


@stands_on(Reason.NOT_READY)
async def _not_ready(world: World) -> dict[str, Any]:
    world.app.watcher.live = None
    assert (await world.client.get("/readyz")).status_code == 503
    response = await world.rank()
    assert response.status_code == 503
    return dict(response.json())


@stands_on(Reason.PAST_DEADLINE)
async def _past_deadline(world: World) -> dict[str, Any]:
    hydrate = world.store.hydrate

    async def block(release: ModelVersion, user: UserId, items: Sequence[ItemId]) -> Hydrated:
        ends_s = asyncio.get_running_loop().time() + 0.05
        while asyncio.get_running_loop().time() < ends_s:
            pass  # the loop itself is held up: no timer can fire in time
        return await hydrate(release, user, items)

    world.store.hydrate = block  # type: ignore[method-assign]
    response = await world.rank(deadline_ms=20)
    assert response.status_code == 504
    return dict(response.json())


def _break_tower(world: World) -> None:
    def fail(histories: Sequence[History]) -> None:
        raise RuntimeError("out of memory")

    assert world.app.watcher.live is not None
    world.app.watcher.live.user_rows = fail  # type: ignore[method-assign, assignment]


@pytest_asyncio.fixture
async def own(bundles: Path) -> AsyncIterator[World]:
    """A warm world that a scenario may break."""
    # A fifth of any deadline is kept for the answer in retrieval order: a slow machine must not make it late as well.
    async with running_world(bundles, RankerSettings(name="ranker-1", reserve_ms=LATE_MS)) as world:
        await world.fill_items()
        for offset, item in enumerate(["item-1", "item-6"]):
            await world.click(item, offset)
        await world.refresh_user()
        await world.mark_caught_up()
        yield world


def counted(reason: Reason) -> float:
    return REGISTRY.get_sample_value("solaris_ranker_degraded_total", {"reason": reason}) or 0.0


@pytest.mark.parametrize("rung", LADDER, ids=lambda rung: rung.reason.value)
async def test_the_rung_is_stood_on_stated_and_counted(own: World, rung: Any) -> None:
    assert (await own.answer())["degraded"] == []
    before = counted(rung.reason)
    answer = await TESTED[rung.reason](own)
    if rung.answer is Answer.REFUSED:
        assert answer["error"]["type"] == rung.reason
        return
    assert rung.reason in answer["degraded"]
    assert counted(rung.reason) == before + 1
    scored = [item["p_click"] is not None for item in answer["items"]]
    assert all(scored) if rung.answer is Answer.SCORED else not any(scored)
    if rung.answer is Answer.RETRIEVAL_ORDER:
        assert answer["variant"] == "retrieval-order"
        assert [item["item_id"] for item in answer["items"]] == [f"item-{k}" for k in range(5)]
        assert len(own.sent(Topic.SLATES_SERVED)) == 1  # the first, scored one


def test_every_rung_has_its_scenario() -> None:
    assert {rung.reason for rung in LADDER} == set(TESTED) == set(Reason)


def test_the_ladder_in_the_readme_is_the_one_in_the_code() -> None:
    readme = (Path(degrade.__file__).parent / "README.md").read_text()
    rows = [f"| `{rung.reason.value}` | {rung.when} | {rung.answer.value} |" for rung in LADDER]
    assert "\n".join(rows) in readme


async def test_an_answer_past_its_deadline_is_in_the_metrics_of_time_all_the_same(own: World) -> None:
    def observed(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(f"solaris_ranker_{name}_count", labels) or 0.0

    requests, hydrations = observed("request_seconds"), observed("stage_seconds", stage="hydrate")
    await _past_deadline(own)
    assert observed("request_seconds") == requests + 1
    assert observed("stage_seconds", stage="hydrate") == hydrations + 1
    assert own.sent(Topic.SLATES_SERVED) == []  # nobody has seen it


async def test_a_ranker_comes_back_by_itself_when_the_store_does(own: World) -> None:
    own.store.unavailable = "timeout"
    assert Reason.STORE_UNAVAILABLE in (await own.answer())["degraded"]
    own.store.unavailable = None
    assert (await own.answer())["degraded"] == []


async def test_an_idle_ranker_admits_whatever_it_predicts(own: World) -> None:
    own.app.ranker.admission.scoring.add(40, 10.0)
    assert (await own.rank(deadline_ms=5_000)).status_code == 200


async def test_a_user_without_a_history_is_no_degradation(own: World) -> None:
    assert (await own.answer(user_id="newcomer"))["degraded"] == []


async def test_the_user_is_still_answered_when_the_history_cannot_be_read(own: World) -> None:
    await own.click("item-9", offset=5)

    async def fail(users: Sequence[UserId]) -> list[History]:
        raise RuntimeError("no")

    own.store.read_histories = fail  # type: ignore[method-assign]
    answer = await own.answer(user_id=USER)
    assert (answer["user"]["source"], answer["degraded"]) == ("failover", ["user-failover"])
