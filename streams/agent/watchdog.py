"""Ends a process that does not get on: a worker that hangs in its body is never evicted by the broker (measured)."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from runtime.logs import kv
from streams.agent.exits import Exit, end_process

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the watchdog looks at: numbers that grow while the agent gets on, and how much there is to do."""

    num_beats: int
    committed: int  # sum of committed offsets
    lag: int  # records known to be there and not done
    stopping: bool


class StuckRule:
    """Says why the process should end, or None. Time in monotonic seconds."""

    def __init__(self, stuck_after_s: float, stop_grace_s: float) -> None:
        self._stuck_after_s = stuck_after_s
        self._stop_grace_s = stop_grace_s
        self._last: tuple[int, int] | None = None
        self._moved_s = 0.0
        self._stopping_s: float | None = None

    def judge(self, vitals: Vitals, now_s: float) -> tuple[Exit, str] | None:
        """Call it about once a second."""
        if vitals.stopping:
            self._stopping_s = now_s if self._stopping_s is None else self._stopping_s
            if now_s - self._stopping_s > self._stop_grace_s:
                return Exit.UNFINISHED, f"not stopped within {self._stop_grace_s:.0f} s"
        moving = (vitals.num_beats, vitals.committed)
        if moving != self._last or vitals.lag <= 0:
            self._last, self._moved_s = moving, now_s
        if now_s - self._moved_s > self._stuck_after_s:
            return Exit.FAILED, f"no commit and no beat for {self._stuck_after_s:.0f} s with {vitals.lag} records to do"
        return None


class Watchdog:
    """A thread of its own, so that a blocked event loop does not block it."""

    def __init__(
        self,
        rule: StuckRule,
        vitals: Callable[[], Vitals],
        now_s: Callable[[], float],
        end: Callable[[Exit, str], NoReturn] = end_process,
    ) -> None:
        self._rule = rule
        self._vitals = vitals
        self._now_s = now_s
        self._end = end
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Look once a second until closed."""
        self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._closing.set()

    def _run(self) -> None:
        while not self._closing.wait(LOOK_EVERY_S):
            verdict = self._look()
            if verdict is not None:
                self._end(*verdict)

    def _look(self) -> tuple[Exit, str] | None:
        try:
            return self._rule.judge(self._vitals(), self._now_s())
        except Exception as error:  # the consumer changes under us, in its own thread; the next look may succeed
            log.warning(kv("the watchdog could not look", error=repr(error)))
            return None
