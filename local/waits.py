"""Waiting for processes inside an event loop."""

import asyncio
import os
from collections.abc import Callable

from local.process import Child

POLL_S = 0.1


async def ended(child: Child) -> None:
    """Until the process itself has ended, whoever still holds its output."""
    if child.status is None and hasattr(os, "pidfd_open"):
        descriptor = os.pidfd_open(child.pid)
        loop, dead = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(descriptor, dead.set)
        try:
            await dead.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
    while True:  # collects the status; on other systems than Linux it also is the waiting
        if child.status is not None:
            return
        await asyncio.sleep(POLL_S)


async def answered(probe: Callable[[], bool] | None) -> None:
    """Until `probe`, called in a thread, says yes; at once when there is none."""
    while True:
        if probe is None or await asyncio.to_thread(probe):
            return
        await asyncio.sleep(POLL_S)


async def cancelled(task: asyncio.Task[None] | None) -> None:
    """Cancel a task and wait until it has ended; what it raised is dropped."""
    if task is not None:
        task.cancel()
        await asyncio.wait({task})  # awaiting the task itself would swallow our own cancellation
