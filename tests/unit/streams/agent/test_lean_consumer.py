"""Waiting for a record to be handed over: at once where possible, else as Faust does."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from streams.agent.lean_consumer import FirstStepAtOnce


@pytest.fixture
async def service() -> AsyncIterator[FirstStepAtOnce]:
    service = FirstStepAtOnce()
    await service.start()
    yield service
    await service.stop()


async def test_what_needs_no_waiting_is_done_without_a_task(service: FirstStepAtOnce) -> None:
    queue: asyncio.Queue[int] = asyncio.Queue(1)
    tasks = len(asyncio.all_tasks())

    async def hand_over() -> int:
        await queue.put(7)
        return len(asyncio.all_tasks())

    found = await service.wait_first(hand_over(), asyncio.Event().wait())
    assert (found.results, found.stopped) == ([tasks], False)
    assert queue.get_nowait() == 7


async def test_what_must_wait_goes_on_where_it_stopped(service: FirstStepAtOnce) -> None:
    queue: asyncio.Queue[int] = asyncio.Queue(1)
    queue.put_nowait(1)

    async def hand_over() -> str:
        await queue.put(2)
        await asyncio.sleep(0)
        return "handed over"

    waiting = asyncio.create_task(service.wait_first(hand_over(), asyncio.Event().wait()))
    await asyncio.sleep(0)
    assert (queue.get_nowait(), waiting.done()) == (1, False)
    assert (await waiting).results == ["handed over"]
    assert queue.get_nowait() == 2


async def test_another_thing_that_comes_first_ends_the_waiting(service: FirstStepAtOnce) -> None:
    suspended = asyncio.Event()
    cancelled = asyncio.Event()

    async def never() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    waiting = asyncio.create_task(service.wait_first(never(), suspended.wait()))
    await asyncio.sleep(0)
    suspended.set()
    assert (await waiting).results == [True]
    await asyncio.wait_for(cancelled.wait(), 5)


@pytest.mark.parametrize("waits", [False, True])
async def test_an_error_reaches_the_caller(service: FirstStepAtOnce, waits: bool) -> None:
    async def fails() -> None:
        if waits:
            await asyncio.sleep(0)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await service.wait_first(fails(), asyncio.Event().wait())


async def test_a_stop_ends_the_waiting(service: FirstStepAtOnce) -> None:
    waiting = asyncio.create_task(service.wait_first(asyncio.Event().wait()))
    await asyncio.sleep(0)
    await service.stop()
    assert (await waiting).stopped
