"""Tries an effect on a batch, and where that fails finds the records that fail for their own sake: see `blame`."""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from runtime.logs import kv
from streams.agent import metrics
from streams.agent.blame import Blame, sample

log = logging.getLogger(__name__)

T = TypeVar("T")
Failures = list[tuple[T, Exception]]


class EffectFails(Exception):
    """The effect fails whatever the record; asking again later may help, burying records does not."""


class Trial(Generic[T]):
    """`attempt` is the effect; what is one of `outage` passes through at once."""

    def __init__(
        self,
        attempt: Callable[[Sequence[T]], Awaitable[None]],
        kind_of: Callable[[T], str],
        outage: tuple[type[Exception], ...],
    ) -> None:
        self._attempt = attempt
        self._kind_of = kind_of
        self._outage = outage
        self._blame = Blame()
        self._waiting = False  # the last run ended with EffectFails

    async def run(self, batch: Sequence[T]) -> Failures[T]:
        """Apply `batch` but for the records returned, which failed in company and alone; raises EffectFails."""
        error = await self._fails(batch)
        if error is None:
            if self._blame.suspects:
                self._blame.settle({}, map(self._kind_of, batch))
            self._waiting = False
            return []
        if not self._waiting:
            log.warning(kv("effect failed, looking for the records at fault", records=len(batch), error=repr(error)))
        self._waiting = True
        failures = await self._find(batch)
        self._waiting = False
        return failures

    async def _find(self, batch: Sequence[T]) -> Failures[T]:
        chosen = sample([self._kind_of(one) for one in batch])
        failures: Failures[T] = []
        succeeded: dict[str, T] = {}  # a record of each kind that did
        for place in chosen:
            await self._alone(batch[place], failures, succeeded)
        self._check(failures, succeeded)
        left = set(range(len(batch))).difference(chosen)
        await self._by_halves([batch[place] for place in sorted(left)], failures, succeeded)
        for kind in {self._kind_of(one) for one, _ in failures} & set(succeeded):
            if (error := await self._fails([succeeded[kind]])) is not None:
                raise EffectFails(f"what worked a moment ago does not, for {kind}: {error!r}")
        self._blame.settle(self._count(failures), succeeded)
        return failures

    def _check(self, failures: Failures[T], succeeded: dict[str, T]) -> None:
        kind = self._blame.effect_fails(self._count(failures), succeeded)
        if kind is not None:
            error = next(error for one, error in failures if self._kind_of(one) == kind)
            raise EffectFails(f"it fails for every record of {kind}, first with {error!r}")

    async def _by_halves(self, records: Sequence[T], failures: Failures[T], succeeded: dict[str, T]) -> None:
        """Few attempts where few are at fault. All are of kinds of which one has succeeded: else all were sampled."""
        waiting = [records] if records else []
        while waiting:
            some = waiting.pop()
            if len(some) == 1:
                await self._alone(some[0], failures, succeeded)
            elif await self._fails(some) is not None:
                half = len(some) // 2
                waiting += [some[half:], some[:half]]

    async def _alone(self, one: T, failures: Failures[T], succeeded: dict[str, T]) -> None:
        metrics.retried_records.inc()
        error = await self._fails([one])
        if error is None:
            succeeded.setdefault(self._kind_of(one), one)
        else:
            failures.append((one, error))

    async def _fails(self, records: Sequence[T]) -> Exception | None:
        try:
            await self._attempt(records)
        except self._outage:
            raise
        except Exception as error:
            return error
        return None

    def _count(self, failures: Failures[T]) -> Counter[str]:
        return Counter(self._kind_of(one) for one, _ in failures)
