"""Where an effect's model calls run: never on the event loop of an agent, inline where nothing else waits."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Protocol, TypeVar

T = TypeVar("T")


class Compute(Protocol):
    """Runs `work` to its end and returns what it returns, or raises what it raises."""

    async def __call__(self, work: Callable[[], T]) -> T: ...


class InExecutor:
    """Runs work in an executor, so that the event loop goes on meanwhile."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def __call__(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)


async def inline(work: Callable[[], T]) -> T:
    """Runs work at once, on the event loop: for commands and tests."""
    return work()
