"""Tells Kafka what was served and what was missing, off the path: bounded, never waited for, every loss counted."""

import asyncio
import base64
import logging
import random
import uuid
import zlib
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from inference import metrics
from inference.serving.hydration import Hydration, UserSource
from inference.serving.miss_limit import MissLimit
from inference.serving.schema import PrepareRequest, RankRequest
from inference.serving.slate import TIER_NAMES, Selection
from runtime.clock import Clock
from runtime.ids import ItemId, ModelVersion, UserId
from runtime.logs import kv
from streams.wire.events import Event, ItemMiss, Retrieval, ServedItem, Slate, UserMiss
from streams.wire.topics import Topic

log = logging.getLogger(__name__)

NUM_SAMPLED = 16  # candidates logged beside the k that were shown
WHOLE_ONE_IN = 100  # slates that carry the pair rows themselves
MAX_MISSING = 100_000  # ids of missing items waiting to be looked at; ten lists of the largest requests
SLICE = 50  # of them looked at between two turns of the event loop
POLICY = "greedy"  # best first: whoever was shown was shown with probability 1


class EventSink(Protocol):
    """Where events go; `streams.wire.producer.Producer` is one. Must not block; raises when it cannot take more."""

    def send(self, topic: str, key: str, event: Event) -> None: ...


class MemorySink:
    """The twin for tests and for a ranker without Kafka: keeps what it was given."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, Event]] = []

    def send(self, topic: str, key: str, event: Event) -> None:
        self.sent.append((topic, key, event))


@dataclass(frozen=True, slots=True)
class Served:
    """A slate as it was served, with what is needed to report it."""

    request: RankRequest
    release: ModelVersion
    variant: str
    hydration: Hydration
    selection: Selection
    explore_share: float  # of the slots that chance may have filled
    time_ms: int


@dataclass(slots=True)
class _Missing:
    """Items whose rows were not there; those before `next` have been looked at."""

    release: ModelVersion
    items: list[ItemId]
    time_ms: int
    next: int = 0


_Report = Served | _Missing | tuple[str, str, Event]


class Reporter:
    """A bounded queue before the sink; `run` empties it. What does not fit is dropped and counted."""

    def __init__(self, sink: EventSink, clock: Clock, max_waiting: int, max_misses_per_s: int) -> None:
        self._sink = sink
        self._clock = clock
        self._max_waiting = max_waiting
        self._waiting: deque[_Report] = deque()
        self._num_missing = 0  # ids in the lists that wait
        self._wake = asyncio.Event()
        self._item_limit = MissLimit(clock, max_misses_per_s)
        self._user_limit = MissLimit(clock, max_misses_per_s)
        self._random = random.Random()

    def served(self, served: Served) -> None:
        """Report a slate that the model scored."""
        self._put(served, Topic.SLATES_SERVED)

    def missing_items(self, release: ModelVersion, items: list[ItemId]) -> None:
        """The rows of these items were wanted and not there. The list is kept, and looked at later."""
        if not items:
            return
        if self._num_missing + len(items) > MAX_MISSING:
            metrics.reports.labels(Topic.ITEM_MISSES, "dropped").inc(len(items))
        elif self._put(_Missing(release, items, self._clock.now_ms()), Topic.ITEM_MISSES, len(items)):
            self._num_missing += len(items)

    def missing_user(self, release: ModelVersion, user: UserId) -> None:
        """The row of this user was wanted and was not there or too old."""
        if self._user_limit.allow(user):
            miss = UserMiss(
                event_id=_new_id(),
                event_time_ms=self._clock.now_ms(),
                user_id=user,
                model=release.model,
                version=release.version,
            )
            self._put((Topic.USER_MISSES, user, miss), Topic.USER_MISSES)
        else:
            metrics.misses_suppressed.labels("user").inc()

    def retrieval_started(self, request: PrepareRequest) -> None:
        """Retrieval for this request has begun."""
        event = Retrieval(
            event_id=_new_id(),
            event_time_ms=self._clock.now_ms(),
            type="started",
            request_id=request.request_id,
            user_id=request.user_id,
            surface=request.surface,
            context=request.context,
        )
        self._put((Topic.RETRIEVAL_EVENTS, request.user_id, event), Topic.RETRIEVAL_EVENTS)

    async def run(self) -> None:
        """Hand over reports for ever, one at a time between requests, of a list of missing items a slice."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                self._send_next()
                await asyncio.sleep(0)

    def drain(self) -> None:
        """Hand over all that waits, now."""
        while self._waiting:
            self._send_next()

    def _put(self, report: _Report, topic: Topic, num_events: int = 1) -> bool:
        if len(self._waiting) >= self._max_waiting:
            metrics.reports.labels(topic, "dropped").inc(num_events)
            return False
        self._waiting.append(report)
        metrics.reports_waiting.set(len(self._waiting))
        self._wake.set()
        return True

    def _send_next(self) -> None:
        report = self._waiting[0]
        if isinstance(report, _Missing):
            self._send_slice(report)
            if report.next < len(report.items):
                return
        self._waiting.popleft()
        metrics.reports_waiting.set(len(self._waiting))
        if isinstance(report, Served):
            self._send_slate(report)
        elif isinstance(report, tuple):
            self._send(*report)

    def _send_slate(self, served: Served) -> None:
        try:
            report = self._slate(served)
        except Exception as error:  # a defect of ours: it costs this slate, not the reports after it
            metrics.reports.labels(Topic.SLATES_SERVED, "failed").inc()
            log.error(kv("slate not reported", error=repr(error)))
        else:
            self._send(*report)

    def _send_slice(self, missing: _Missing) -> None:
        items = missing.items[missing.next : missing.next + SLICE]
        missing.next += len(items)
        self._num_missing -= len(items)
        allowed = self._item_limit.allowed(items)
        metrics.misses_suppressed.labels("item").inc(len(items) - len(allowed))
        release = missing.release
        for item in allowed:
            miss = ItemMiss(
                event_id=_new_id(),
                event_time_ms=missing.time_ms,
                item_id=item,
                model=release.model,
                version=release.version,
            )
            self._send(Topic.ITEM_MISSES, item, miss)

    def _send(self, topic: str, key: str, event: Event) -> None:
        try:
            self._sink.send(topic, key, event)
        except Exception as error:  # a full or broken producer must not stop the reports after it
            metrics.reports.labels(topic, "failed").inc()
            log.debug(kv("report not sent", topic=topic, error=repr(error)))
        else:
            metrics.reports.labels(topic, "sent").inc()

    def _slate(self, served: Served) -> tuple[str, str, Event]:
        request, hydration = served.request, served.hydration
        slots, shown = served.selection.slots, served.selection.slots.chosen
        others = sorted(set(range(len(request.candidates))).difference(shown))
        sampled = self._random.sample(others, min(NUM_SAMPLED, len(others)))
        whole = zlib.crc32(request.request_id.encode()) % WHOLE_ONE_IN == 0
        items = [
            _served_item(served, index, whole, slots.propensity[slot], slot, slots.explored[slot])
            for slot, index in enumerate(shown)
        ]
        items += [_served_item(served, index, whole, len(sampled) / len(others)) for index in sampled]
        known = hydration.user.source is not UserSource.DEFAULT
        slate = Slate(
            event_id=_new_id(),
            event_time_ms=served.time_ms,
            request_id=request.request_id,
            user_id=request.user_id,
            model=served.release.model,
            version=served.release.version,
            variant=served.variant,
            user_source=hydration.user.source.value,
            user_rev=hydration.user.rev if known else 0,
            user_as_of_ms=hydration.user.as_of_ms if known else 0,
            items=items,
            experiment=request.experiment,
            policy=f"explore-{served.explore_share:g}" if served.explore_share else POLICY,
            surface=request.surface,
            context=request.context,
        )
        return Topic.SLATES_SERVED, request.user_id, slate


def _new_id() -> str:
    return uuid.uuid4().hex


def _served_item(
    served: Served, index: int, whole: bool, propensity: float, position: int | None = None, explored: bool = False
) -> ServedItem:
    """`propensity`: of standing in its slot for those with a position, of being in the sample for the others."""
    hydration, scored = served.hydration, served.selection.scored
    assert scored is not None, "only slates that the model scored are reported"
    candidate = served.request.candidates[index]
    tier, row = TIER_NAMES[int(hydration.tier[index])], hydration.pair_rows[index]
    return ServedItem(
        item_id=candidate.item_id,
        score=float(served.selection.score[index]),
        p_click=float(scored.p_click[index]),
        p_conversion=float(scored.p_conversion[index]),
        source=tier,
        age_ms=None if tier == "default" else int(hydration.pair_age_ms[index]),
        rev=int(hydration.pair_rev[index]),
        position=position,
        propensity=propensity,
        explored=explored,
        retrieval_score=candidate.retrieval_score,
        bid=candidate.bid,
        vector=base64.b64encode(row).decode() if whole and row is not None and tier == "pair" else None,
    )
