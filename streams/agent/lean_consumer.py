"""Faust's consumer without four tasks for every record.

Faust hands each record to its stream by waiting for "handed over, or the flow suspended, stopped, crashed", and makes a
task of each. Handing over is a `put` into a queue that nearly always has room, so it is tried first without any task: a
sixth of what an event costs an agent (measured: 103 -> 87 microseconds). If it must wait, Faust's way follows.
"""

import types
from collections.abc import Coroutine, Generator
from typing import Any

from faust.transport.drivers.aiokafka import Consumer, Transport
from mode.services import Service, WaitResults

# Any stands for Faust's own types throughout: it has none that are exported.


class FirstStepAtOnce(Service):  # type: ignore[misc]  # Faust has no types
    """A service that takes the first step of what it is to wait for at once."""

    async def wait_first(self, *waited: Any, timeout: Any = None) -> Any:
        """The first that ends of a coroutine and other things."""
        first, *others = waited
        if not isinstance(first, types.CoroutineType):
            return await super().wait_first(*waited, timeout=timeout)
        try:
            pending = first.send(None)
        except StopIteration as ended:
            _close(others)
            return WaitResults([first], [ended.value], False)
        except BaseException:
            _close(others)
            raise
        return await super().wait_first(_continued(first, pending), *others, timeout=timeout)


class LeanConsumer(FirstStepAtOnce, Consumer):  # type: ignore[misc]  # Faust has no types
    """The consumer that agents use."""


def use_lean_consumer(transport: Transport) -> Transport:
    """The transport, which will make consumers of this kind."""
    transport.Consumer = LeanConsumer
    return transport


async def _continued(begun: Coroutine[Any, Any, Any], pending: Any) -> Any:
    return await _rest(begun, pending)


@types.coroutine
def _rest(begun: Coroutine[Any, Any, Any], pending: Any) -> Generator[Any, Any, Any]:
    """What is left of a coroutine that waits for `pending`."""
    while True:
        try:
            try:
                sent = yield pending
            except BaseException as error:
                pending = begun.throw(error)
            else:
                pending = begun.send(sent)
        except StopIteration as ended:
            return ended.value


def _close(coroutines: list[Any]) -> None:
    for coroutine in coroutines:
        if isinstance(coroutine, types.CoroutineType):
            coroutine.close()
