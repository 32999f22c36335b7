"""The ranker's client: one retry, for a refused connection alone, and a deadline."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest

from inference.client import RankClient, RankerUnreachable, RankFailed
from inference.serving.errors import past_deadline
from inference.serving.schema import OfferedItem, RankAnswer, RankedUser, RankRequest

REQUEST = RankRequest(request_id="r", user_id="u", candidates=[OfferedItem(item_id="a")], k=1, deadline_ms=200)
ANSWER = RankAnswer(
    request_id="r",
    user_id="u",
    model="main",
    version="v1",
    variant="small",
    items=[],
    user=RankedUser(source="default", age_ms=None, as_of_ms=None),
    behind_ms=None,
    degraded=["watermark-missing"],
    stages_ms={"total": 1.0},
)


class Network(httpx.AsyncBaseTransport):
    """Fails as told, call by call; answers when nothing is left to fail with."""

    def __init__(self, *failures: Exception | httpx.Response) -> None:
        self.failures = list(failures)
        self.calls = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        if not self.failures:
            return httpx.Response(200, content=msgspec.json.encode(ANSWER))
        failure = self.failures.pop(0)
        if isinstance(failure, Exception):
            raise failure
        return failure


async def ask(network: Network) -> RankAnswer:
    async with RankClient("http://ranker", transport=network) as client:
        return await client.rank(REQUEST)


async def test_an_answer_comes_back_as_it_was_sent() -> None:
    assert await ask(Network()) == ANSWER


async def test_a_refused_connection_is_tried_again_once() -> None:
    network = Network(httpx.ConnectError("refused"))
    assert await ask(network) == ANSWER
    assert network.calls == 2


async def test_a_connection_refused_twice_is_given_up() -> None:
    network = Network(httpx.ConnectError("refused"), httpx.ConnectError("refused"))
    with pytest.raises(RankerUnreachable, match=r"no ranker answers at http://.* \(refused\)"):
        await ask(network)
    assert network.calls == 2


@pytest.mark.parametrize("failure", [httpx.ReadTimeout("late"), httpx.ReadError("reset"), httpx.ConnectTimeout("late")])
async def test_nothing_that_may_have_been_begun_is_asked_twice(failure: Exception) -> None:
    network = Network(failure)
    with pytest.raises(RankerUnreachable):
        await ask(network)
    assert network.calls == 1


async def test_a_refusal_carries_status_type_and_field_and_is_not_repeated() -> None:
    error = past_deadline(200)
    network = Network(httpx.Response(504, content=error.body()))
    with pytest.raises(RankFailed, match="no answer within 200 ms") as failed:
        await ask(network)
    assert (failed.value.status, failed.value.type, failed.value.param) == (504, "past_deadline", "deadline_ms")
    assert network.calls == 1


async def test_an_error_page_of_somebody_else_is_told_as_it_is() -> None:
    with pytest.raises(RankFailed, match="502 unknown: <html>bad gateway"):
        await ask(Network(httpx.Response(502, text="<html>bad gateway")))


class Trickle(httpx.AsyncByteStream):
    """Always another byte, never the end."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0.02)
            yield b" "


async def test_an_answer_that_trickles_costs_the_deadline_and_not_more() -> None:
    network = Network(httpx.Response(200, stream=Trickle()))
    with pytest.raises(RankerUnreachable, match="no answer within 200 ms"):
        await asyncio.wait_for(ask(network), 60)
    assert network.calls == 1


async def test_a_ranker_that_says_nothing_costs_the_deadline_and_not_more() -> None:
    gone = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        gone.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    async with RankClient(f"http://{host}:{port}") as client:
        with pytest.raises(RankerUnreachable, match="no answer within 200 ms"):
            await asyncio.wait_for(client.rank(REQUEST), 60)
    await asyncio.wait_for(gone.wait(), 60)
    server.close()
    await server.wait_closed()
