"""Which hop a click did not pass."""

from collections.abc import Callable

import httpx
import msgspec
import pytest

from cache.memory import MemoryStore
from inference.client import RankClient
from inference.probe import PROBE_USER, Hop, Outcome, Probe, Trace, missing_hop
from inference.serving.schema import RankAnswer, RankedUser, RankRequest
from streams.wire.events import MAX_TIME_MS, Event


@pytest.mark.parametrize(
    ("trace", "hop"),
    [
        (Trace(delivered=False), Hop.TOPIC),
        (Trace(delivered=True, store_answers=False), Hop.STORE),
        (Trace(delivered=True), Hop.AGENT),
        (Trace(delivered=True, watermark_passed=True), Hop.HISTORY),
        (Trace(delivered=True, watermark_passed=True, in_history=True), Hop.RANKER),
        (Trace(delivered=True, in_history=True, ranker_answers=True), Hop.ROW),
        (Trace(delivered=True, in_history=True, ranker_answers=True, row_includes=True), Hop.STALE),
    ],
)
def test_the_first_hop_that_was_not_passed_is_named(trace: Trace, hop: Hop) -> None:
    assert missing_hop(trace) is hop


async def test_the_probe_asks_for_a_slate_without_slots_by_chance() -> None:
    asked: list[RankRequest] = []

    def rank(request: httpx.Request) -> httpx.Response:
        asked.append(msgspec.json.decode(request.content, type=RankRequest))
        answer = RankAnswer(
            request_id="r", user_id=PROBE_USER, model="main", version="v1", variant="small", items=[], behind_ms=0,
            user=RankedUser(source="direct", age_ms=0, as_of_ms=MAX_TIME_MS), degraded=[], stages_ms={},
        )  # fmt: skip
        return httpx.Response(200, content=msgspec.json.encode(answer))

    class Sink:
        def send(self, topic: str, key: str, event: Event, *, on_delivery: Callable[[str | None], None]) -> None:
            on_delivery(None)

    async with RankClient("http://ranker", httpx.MockTransport(rank)) as client:
        outcome = await Probe(Sink(), MemoryStore(), client).run("item-1", timeout_s=30.0)
    assert isinstance(outcome, Outcome)
    assert outcome.hop is None
    assert [request.explore for request in asked] == [False]
