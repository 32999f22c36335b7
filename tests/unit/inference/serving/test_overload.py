"""More requests than can be answered: some are refused at once, those that are admitted are answered."""

import asyncio
import collections
from pathlib import Path

from inference.serving.settings import RankerSettings
from tests.unit.inference.serving.world import World, running_world


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
