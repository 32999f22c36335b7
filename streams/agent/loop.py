"""The body of every agent's loop: decode -> effect -> dead letters -> count.

Faust acknowledges a batch when the body ends, also when it raises, so an offset moves only after all of this:

1. every record is decoded; what is not an event of its topic is put aside;
2. the effect of the others is in the store. If the store cannot be asked, or something else that the effect needs is
   not there, the body waits without limit and keeps its place. If the effect fails for another reason, the records
   that fail alone as well are put aside. Where all do, the fault is not theirs (`blame` has the rule): the body waits
   as if the store were away, and tries the batch again;
3. the broker has a dead letter for everything that was put aside, if this group answers for the topic; if another one
   does, it is counted and logged here;
4. `Progress` knows.

Nothing leaves `process`, not even a cancellation: the process ends uncommitted instead, and the restart reads again.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, NoReturn, TypeAlias, TypeVar

from cache.store import StoreUnavailable
from runtime.clock import Clock, SystemClock
from runtime.logs import kv
from streams.agent import metrics
from streams.agent.blame import kind_of
from streams.agent.dead_letter import EFFECT_FAILED, DeadLetters, rejected
from streams.agent.exits import Exit, end_process
from streams.agent.progress import Progress
from streams.agent.trial import EffectFails, Trial
from streams.wire.codec import Rejection, Tombstone, decode
from streams.wire.events import Event
from streams.wire.producer import ProducerFull
from streams.wire.record import Received, Record

log = logging.getLogger(__name__)

FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 2.0
STOP_CHECK_S = 0.2
LOG_EVERY_S = 30.0  # a pause says so once, and then this often

AnyReceived: TypeAlias = Received[Event | Tombstone]
Effect: TypeAlias = Callable[[Sequence[AnyReceived]], Awaitable[None]]
DeadLetter: TypeAlias = tuple[Record, str, str]
E = TypeVar("E")
T = TypeVar("T")


class NotReady(Exception):
    """What an effect needs is not there yet; `reason` is a label fit for a metric."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"not ready ({reason}): {detail}")
        self.reason = reason


EFFECT = "effect"  # reason of a pause: the effect itself fails, whatever the record
WAITED_FOR = (StoreUnavailable, NotReady, ProducerFull, TimeoutError)


@dataclass(frozen=True, slots=True)
class _Decoded:
    record: Record
    received: AnyReceived


class BatchLoop(Generic[E]):
    """Processes one batch at a time. `to_record` makes a record of whatever the stream yields."""

    def __init__(
        self,
        effect: Effect,
        dead_letters: DeadLetters,
        progress: Progress,
        *,
        to_record: Callable[[E], Record],
        stopping: Callable[[], bool],
        clock: Clock | None = None,
        end: Callable[[Exit, str], NoReturn] = end_process,
    ) -> None:
        self._effect = effect
        self._trial = Trial(self._attempt, lambda one: kind_of(one.record.topic, one.received.event), WAITED_FOR)
        self._dead_letters = dead_letters
        self._progress = progress
        self._to_record = to_record
        self._stopping = stopping
        self._clock = clock or SystemClock()
        self._end = end

    async def process(self, events: Sequence[E]) -> None:
        """Return when all that these events ask for is done and durable; never raises."""
        try:
            await self._process([self._to_record(event) for event in events])
        except BaseException as error:  # whatever it is, leaving the body would commit what was not done
            log.critical(kv("batch failed", error=repr(error)), exc_info=True)
            self._end(Exit.FAILED, f"the batch loop failed: {error!r}")

    async def _process(self, records: Sequence[Record]) -> None:
        self._progress.beat()
        decoded, letters = self._decode(records)
        if decoded:
            letters += await self._apply(decoded)
        if letters:
            await self._bury(letters)
        self._count(records)
        self._progress.finish(records)

    def _decode(self, records: Sequence[Record]) -> tuple[list[_Decoded], list[DeadLetter]]:
        started = time.perf_counter()
        decoded: list[_Decoded] = []
        letters: list[DeadLetter] = []
        for record in records:
            event = decode(record.topic, record)
            if isinstance(event, Rejection):
                letters.append(rejected(record, event))
            else:
                place = (record.topic, record.partition, record.offset, record.append_time_ms)
                decoded.append(_Decoded(record, Received(event, *place)))
        metrics.decode_seconds.inc(time.perf_counter() - started)
        return decoded, letters

    async def _apply(self, decoded: Sequence[_Decoded]) -> list[DeadLetter]:
        """The records whose effect failed for their own sake."""
        return await self._persist(lambda: self._try(decoded))

    async def _try(self, decoded: Sequence[_Decoded]) -> list[DeadLetter]:
        """One attempt; raises what says that asking again may help."""
        try:
            failures = await self._trial.run(decoded)
        except EffectFails as error:
            raise NotReady(EFFECT, str(error)) from None
        return [(one.record, EFFECT_FAILED, repr(error)) for one, error in failures]

    async def _attempt(self, decoded: Sequence[_Decoded]) -> None:
        self._progress.beat()
        started = time.perf_counter()
        try:
            await self._effect([one.received for one in decoded])
        except TimeoutError:
            raise
        except (OSError, MemoryError) as error:  # of the machine, whatever the record
            raise NotReady("machine", repr(error)) from error
        metrics.effect_seconds.observe(time.perf_counter() - started)

    async def _bury(self, letters: list[DeadLetter]) -> None:
        ours = [letter for letter in letters if self._dead_letters.answers_for(letter[0])]
        if ours:
            await self._persist(lambda: self._dead_letters.send(ours))
        for record, reason, detail in letters:
            buried = self._dead_letters.answers_for(record)
            counter = metrics.dead_letters if buried else metrics.passed_over
            counter.labels(record.topic, reason).inc()
            said = "dead letter" if buried else "record passed over"
            place = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
            log.warning(kv(said, reason=reason, detail=detail, key=record.key, **place))

    async def _persist(self, call: Callable[[], Awaitable[T]]) -> T:
        """The outcome of `call`, asked again for as long as what it needs is not there."""
        wait_s, paused_at, logged_at = FIRST_WAIT_S, self._clock.monotonic(), float("-inf")
        while True:
            try:
                outcome = await call()
                self._resume(paused_at)
                return outcome
            except (StoreUnavailable, NotReady) as error:
                reason, detail = error.reason, str(error)
            except (ProducerFull, TimeoutError) as error:
                reason, detail = "kafka", repr(error)
            except BaseException:
                self._resume(paused_at)
                raise
            if self._clock.monotonic() - logged_at >= LOG_EVERY_S:
                log.warning(kv("paused", reason=reason, detail=detail))
                logged_at = self._clock.monotonic()
            await self._pause(reason, wait_s)
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)

    async def _pause(self, reason: str, wait_s: float) -> None:
        if self._progress.paused not in (None, reason):
            metrics.paused.labels(self._progress.paused).set(0)
        self._progress.paused = reason
        metrics.paused.labels(reason).set(1)
        until = self._clock.monotonic() + wait_s
        while (left_s := until - self._clock.monotonic()) > 0:
            self._progress.beat()
            if self._stopping():
                self._end(Exit.UNFINISHED, f"told to stop while paused ({reason})")
            await asyncio.sleep(min(left_s, STOP_CHECK_S))

    def _resume(self, paused_at: float) -> None:
        if self._progress.paused is not None:
            reason, self._progress.paused = self._progress.paused, None
            paused_s = self._clock.monotonic() - paused_at
            metrics.paused.labels(reason).set(0)
            metrics.paused_seconds.labels(reason).inc(paused_s)
            log.warning(kv("resumed", reason=reason, paused_s=round(paused_s, 1)))

    def _count(self, records: Sequence[Record]) -> None:
        now_ms = self._clock.now_ms()
        metrics.batches.inc()
        metrics.batch_records.observe(len(records))
        observe = {}
        for topic, number in Counter(record.topic for record in records).items():
            metrics.records.labels(topic).inc(number)
            observe[topic] = metrics.event_to_effect_seconds.labels(topic).observe
        for record in records:
            observe[record.topic](max(now_ms - record.append_time_ms, 0) / 1000)


def of_type(received: Sequence[AnyReceived], kind: type[T]) -> list[Received[T]]:
    """Those whose event is a `kind`, in their order."""
    return [one for one in received if isinstance(one.event, kind)]  # type: ignore[misc]  # narrows `event` alone
