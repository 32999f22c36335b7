"""Batches without a timer: a free worker takes everything that waits; what comes meanwhile waits for it.

Nobody is held back to fill a batch, so a lone caller pays nothing; under load batches grow by themselves.
"""

import asyncio
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Generic, TypeVar

HUNG_S = 10.0  # thousands of times what a batch takes

In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[In, Out]):
    key: Hashable
    item: In
    size: int
    future: "asyncio.Future[Out]"


class Batcher(Generic[In, Out]):
    """Runs `run(items)` in `executor`, one batch at a time; a batch holds items of one key, in order of arrival.

    `max_size` bounds the summed sizes of a batch; a single larger item still goes, alone. `max_items` bounds their
    number. An exception among the results is that of its item alone, one that is raised is that of all.
    """

    def __init__(
        self,
        run: Callable[[Sequence[In]], Sequence[Out | Exception]],
        executor: Executor,
        max_size: int,
        max_items: int | None = None,
    ) -> None:
        self._run = run
        self._executor = executor
        self._max_size, self._max_items = max_size, max_items
        self._waiting: dict[asyncio.Future[Out], _Waiting[In, Out]] = {}  # in order of arrival
        self._began_s: float | None = None  # of the batch in work

    @property
    def depth(self) -> int:
        """Items that wait, those in work not counted."""
        return len(self._waiting)

    def running_s(self) -> float:
        """For how long the batch in work has been running, 0 without one."""
        return 0.0 if self._began_s is None else time.monotonic() - self._began_s

    def hung(self) -> str | None:
        """Why nothing comes back any more, None while batches do: a condition of readiness."""
        running_s = self.running_s()
        return None if running_s < HUNG_S else f"one batch has been running for {running_s:.0f} s"

    def submit(self, key: Hashable, item: In, size: int = 1) -> "asyncio.Future[Out]":
        """The result of `item`, its exception or its batch's. A cancelled item is dropped before its batch begins."""
        future: asyncio.Future[Out] = asyncio.get_running_loop().create_future()
        self._waiting[future] = _Waiting(key, item, size, future)
        future.add_done_callback(self._forget)  # while a batch hangs, those who gave up must not pile up
        self._pump()
        return future

    def _forget(self, future: "asyncio.Future[Out]") -> None:
        self._waiting.pop(future, None)

    def _pump(self) -> None:
        if self._began_s is not None:
            return
        batch = self._take()
        if not batch:
            return
        self._began_s = time.monotonic()
        work = asyncio.get_running_loop().run_in_executor(self._executor, self._run, [entry.item for entry in batch])
        work.add_done_callback(lambda done: self._done(batch, done))

    def _take(self) -> list[_Waiting[In, Out]]:
        """The oldest that still wants its result, and all others of its key that fit beside it."""
        batch: list[_Waiting[In, Out]] = []
        size = 0
        for entry in self._waiting.values():
            if len(batch) == self._max_items:
                break
            if entry.future.done():
                continue
            if batch and (entry.key != batch[0].key or size + entry.size > self._max_size):
                continue
            batch.append(entry)
            size += entry.size
        for entry in batch:
            del self._waiting[entry.future]
        return batch

    def _done(self, batch: Sequence[_Waiting[In, Out]], work: "asyncio.Future[Sequence[Out | Exception]]") -> None:
        self._began_s = None
        error = asyncio.CancelledError() if work.cancelled() else work.exception()
        results = [] if error else work.result()
        for index, entry in enumerate(batch):
            if entry.future.done():
                continue
            if error is not None:
                entry.future.set_exception(RuntimeError("the worker was stopped") if work.cancelled() else error)
            elif isinstance(result := results[index], Exception):
                entry.future.set_exception(result)
            else:
                entry.future.set_result(result)
        self._pump()
