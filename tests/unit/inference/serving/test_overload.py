"""More requests than can be answered: some are refused at once, those that are admitted are answered."""

import asyncio
import collections
import threading
from collections.abc import Sequence
from pathlib import Path

from cache.store import History, Hydrated
from inference.protocol import RankInputs, RankOutputs
from inference.serving.settings import RankerSettings
from runtime.ids import ItemId, ModelVersion, UserId
from tests.unit.inference.serving.world import World, candidates, running_world


async def test_a_burst_beyond_what_may_be_in_flight_is_refused_and_the_rest_answered(bundles: Path) -> None:
    async with running_world(bundles, RankerSettings(name="ranker-1", max_in_flight=20)) as world:
        await world.fill_items()
        responses = await asyncio.gather(*[world.rank(request_id=f"r{n}") for n in range(100)])
        outcomes = collections.Counter(response.status_code for response in responses)
        assert set(outcomes) == {200, 429}
        assert outcomes[200] >= 20
        assert all(int(r.headers["retry-after"]) >= 1 for r in responses if r.status_code == 429)
        assert (await world.rank()).status_code == 200


async def test_a_burst_with_short_deadlines_leaves_nothing_behind(warm: World) -> None:
    responses = await asyncio.gather(*[warm.rank(request_id=f"r{n}", deadline_ms=20) for n in range(100)])
    assert {response.status_code for response in responses} <= {200, 429, 504}
    assert (warm.app.ranker.admission.requests, warm.app.ranker.admission.candidates) == (0, 0)
    assert (await warm.answer())["degraded"] == []


async def test_requests_that_wait_together_are_scored_together(warm: World) -> None:
    answers = await asyncio.gather(*[warm.answer(request_id=f"r{n}", explain=True) for n in range(20)])
    assert max(answer["explain"]["batch_requests"] for answer in answers) > 1


async def test_two_requests_at_once_are_admitted_after_fast_ones_in_a_row(warm: World) -> None:
    hydrate = warm.store.hydrate

    async def two_ms(release: ModelVersion, user: UserId, items: Sequence[ItemId]) -> Hydrated:
        await asyncio.sleep(0.002)
        return await hydrate(release, user, items)

    warm.store.hydrate = two_ms  # type: ignore[method-assign]
    offered = candidates([f"item-{number}" for number in range(500)])
    for number in range(20):
        await warm.answer(request_id=f"r{number}", candidates=offered)
    admission = warm.app.ranker.admission
    assert admission.hydration.seconds(500) < 0.1
    responses = await asyncio.gather(*[warm.rank(candidates=offered, deadline_ms=3_000) for _ in range(2)])
    assert [response.status_code for response in responses] == [200, 200]


async def test_a_user_tower_that_hangs_leads_to_fallbacks_and_not_to_refusals(bundles: Path) -> None:
    until = threading.Event()

    def hang(histories: Sequence[History]) -> None:
        until.wait(30)
        raise RuntimeError("too late for anybody")

    async with running_world(bundles, RankerSettings(name="ranker-1", reserve_ms=400)) as world:
        await world.fill_items()
        await world.click("item-20")
        assert world.app.watcher.live is not None
        world.app.watcher.live.user_rows = hang  # type: ignore[method-assign, assignment]
        try:
            answers = [await world.answer(request_id=f"r{number}", deadline_ms=2_000) for number in range(3)]
            answers += await asyncio.gather(*[world.answer(request_id=f"s{n}", deadline_ms=2_000) for n in range(4)])
        finally:
            until.set()
    assert all("user-default" in answer["degraded"] for answer in answers)


async def test_a_model_that_cannot_keep_up_sheds(bundles: Path) -> None:
    async with running_world(bundles, RankerSettings(name="ranker-1", max_batch_candidates=40)) as world:
        await world.fill_items()
        release = world.app.watcher.live
        assert release is not None
        score, pace = release.score, threading.Event()

        def slow(variant: str, inputs: RankInputs) -> RankOutputs:
            pace.wait(0.2)  # 40 of them take longer than the deadline, and one far less, also on a busy machine
            return score(variant, inputs)

        release.score = slow  # type: ignore[method-assign]
        await world.answer()  # measured once
        responses = await asyncio.gather(*[world.rank(request_id=f"r{n}", deadline_ms=2_000) for n in range(40)])
        outcomes = collections.Counter(response.status_code for response in responses)
        assert set(outcomes) >= {200, 429}
