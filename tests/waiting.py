"""Wait for a condition with a deadline; tests never sleep."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

T = TypeVar("T")

POLL_S = 0.02


@overload
@overload
async def eventually(condition: Callable[[], Awaitable[T]], timeout_s: float = 10.0) -> T: ...


@overload
async def eventually(condition: Callable[[], T], timeout_s: float = 10.0) -> T: ...


async def eventually(condition: Callable[[], object], timeout_s: float = 10.0) -> object:
    """The first true value of `condition()` (plain or async); AssertionError with the last value after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not true within {timeout_s} s; the last value was {value!r}")
        await asyncio.sleep(POLL_S)


def wait_until(condition: Callable[[], T], timeout_s: float = 10.0) -> T:
    """`eventually` for tests without an event loop."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not true within {timeout_s} s; the last value was {value!r}")
        time.sleep(POLL_S)
