"""What stands around the batch loop in its tests: effects and producers that fail when told to."""

import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import NoReturn

from runtime.clock import Clock
from streams.agent.dead_letter import DeadLetters
from streams.agent.exits import Exit
from streams.agent.loop import AnyReceived, BatchLoop
from streams.agent.progress import Progress
from streams.wire.codec import encode
from streams.wire.events import Activity, Event
from streams.wire.headers import Headers
from streams.wire.record import Record
from streams.wire.topics import Topic

NOW_MS = 1_700_000_000_000


class Ended(BaseException):
    """Stands for the end of the process."""

    def __init__(self, status: Exit, why: str) -> None:
        super().__init__(f"{status.name}: {why}")
        self.status = status


def end(status: Exit, why: str) -> NoReturn:
    """Where the process would have ended already, the first end counts."""
    earlier = sys.exc_info()[1]
    raise earlier if isinstance(earlier, Ended) else Ended(status, why)


class Letters:
    """Keeps what it is given; raises the errors in `failures` first."""

    def __init__(self, failures: Sequence[Exception] = ()) -> None:
        self.sent: list[tuple[str, bytes | None, bytes | None, dict[str, bytes | None]]] = []
        self.failures = list(failures)

    async def deliver_raw(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = (), *, timeout_s: float = 30.0
    ) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append((topic, key, value, dict(headers)))


class Effects:
    """Remembers which offsets it was given and applies; `fail` decides what raises."""

    def __init__(self, fail: Callable[[Sequence[AnyReceived]], Exception | None] = lambda _: None) -> None:
        self.fail = fail
        self.calls: list[list[int]] = []
        self.applied: list[int] = []

    async def __call__(self, received: Sequence[AnyReceived]) -> None:
        self.calls.append([one.offset for one in received])
        error = self.fail(received)
        if error is not None:
            raise error
        self.applied += [one.offset for one in received]


def make_loop(
    effect: Callable[[Sequence[AnyReceived]], Awaitable[None]],
    letters: Letters,
    *,
    progress: Progress | None = None,
    stopping: Callable[[], bool] = lambda: False,
    clock: Clock | None = None,
    answers_for: Sequence[str] = (Topic.USER_ACTIVITY.value,),
) -> BatchLoop[Record]:
    return BatchLoop(
        effect,
        DeadLetters(letters, 1.0, "solaris.test", answers_for),
        progress or Progress(),
        to_record=lambda record: record,
        stopping=stopping,
        clock=clock,
        end=end,
    )


def activity(user: str = "u1", item: str = "i1", **fields: object) -> Activity:
    values: dict[str, object] = {
        "event_id": f"e-{time.monotonic_ns()}",
        "event_time_ms": NOW_MS,
        "user_id": user,
        "item_id": item,
        "kind": "click",
        "request_id": "r",
        "position": 0,
    }
    return Activity(**(values | fields))  # type: ignore[arg-type]


def record(offset: int, event: Event | bytes | None, *, key: bytes | None = b"u1", partition: int = 0) -> Record:
    value = event if event is None or isinstance(event, bytes) else encode(event)
    return Record(Topic.USER_ACTIVITY.value, partition, offset, NOW_MS, key, value, (("ce_id", b"x"),))
