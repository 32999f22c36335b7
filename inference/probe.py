"""How long it takes until an answer includes an event: one marked click, followed through every hop.

The hops: producer -> topic -> user refresh -> history -> user row -> ranker. The click is real in all but its id and
its `surface`; it belongs to a user of the probe's own, so that nobody's slate is moved by it.
"""

import asyncio
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from cache.row import rev_of
from cache.store import Store, StoreRefused, StoreUnavailable
from inference.client import RankClient, RankerUnreachable, RankFailed
from inference.history import decode_event
from inference.serving.schema import OfferedItem, RankRequest
from runtime.clock import now_ms
from runtime.ids import ModelVersion, UserId
from streams.wire.events import Activity, Event
from streams.wire.partition import partition_of
from streams.wire.topics import TOPICS, Topic

PROBE_USER = "solaris-probe"
SURFACE = "probe"
POLL_S = 0.02
DEADLINE_MS = 1_000  # of each question to the ranker


class Hop(StrEnum):
    """Where a click got stuck, in words for the person who looks."""

    TOPIC = "the broker has not acknowledged the record: is Kafka there, does the topic exist?"
    STORE = "the store cannot be asked: is Redis there?"
    AGENT = "user refresh is behind: its watermark has not passed the record; is it running?"
    HISTORY = "user refresh has passed the record, but the history does not hold it; see the dead letters"
    RANKER = "the history holds it, but the ranker does not answer"
    ROW = "the history holds it and the ranker answers, but from an older row: its user tower fails or is late"
    STALE = "the user's row includes it, but the ranker does not read it: does it use the same Redis and release?"


@dataclass(frozen=True, slots=True)
class Trace:
    """What is known of one click after the time was over."""

    delivered: bool
    store_answers: bool = True
    watermark_passed: bool = False
    in_history: bool = False
    row_includes: bool = False
    ranker_answers: bool = False


def missing_hop(trace: Trace) -> Hop:
    """The first hop that the click did not pass. Watermarks lag behind effects, so the history is asked first."""
    if not trace.delivered:
        return Hop.TOPIC
    if not trace.store_answers:
        return Hop.STORE
    if not trace.in_history:
        return Hop.HISTORY if trace.watermark_passed else Hop.AGENT
    if not trace.ranker_answers:
        return Hop.RANKER
    return Hop.STALE if trace.row_includes else Hop.ROW


class ProbeSink(Protocol):
    """A producer that tells when the broker has a record; `streams.wire.producer.Producer` is one."""

    def send(self, topic: str, key: str, event: Event, *, on_delivery: Callable[[str | None], None]) -> None: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """`seconds` from sending to the first answer that includes the click, or the hop that was missing."""

    seconds: float | None
    hop: Hop | None = None


class Probe:
    """Sends marked clicks and watches the ranker for them."""

    def __init__(self, sink: ProbeSink, store: Store, client: RankClient, user: str = PROBE_USER) -> None:
        self._sink = sink
        self._store = store
        self._client = client
        self._user = UserId(user)

    async def run(self, item: str, timeout_s: float) -> Outcome:
        """One click on `item`; never raises for what is down."""
        delivered: list[str | None] = []
        answer_release: ModelVersion | None = None
        sent_ms, began_s = now_ms(), time.monotonic()
        click = self._click(item, sent_ms)
        self._sink.send(Topic.USER_ACTIVITY, self._user, click, on_delivery=delivered.append)
        while time.monotonic() - began_s < timeout_s:
            try:
                answer = await self._client.rank(self._question(item, click.event_id))
            except (RankFailed, RankerUnreachable):
                answer_release = None
            else:
                if (answer.user.as_of_ms or 0) >= sent_ms:
                    return Outcome(time.monotonic() - began_s)
                answer_release = ModelVersion(answer.model, answer.version)
            await asyncio.sleep(POLL_S)
        return Outcome(None, missing_hop(await self._trace(sent_ms, delivered == [None], answer_release)))

    def _click(self, item: str, time_ms: int) -> Activity:
        name = f"probe-{uuid.uuid4().hex}"
        return Activity(
            event_id=name,
            event_time_ms=time_ms,
            user_id=self._user,
            item_id=item,
            kind="click",
            surface=SURFACE,
            request_id=name,
            position=0,
        )

    def _question(self, item: str, request_id: str) -> RankRequest:
        return RankRequest(
            request_id=request_id,
            user_id=self._user,
            candidates=[OfferedItem(item_id=item)],
            k=1,
            deadline_ms=DEADLINE_MS,
            surface=SURFACE,
            experiment=SURFACE,
            explore=False,
        )

    async def _trace(self, sent_ms: int, delivered: bool, release: ModelVersion | None) -> Trace:
        try:
            history = (await self._store.read_histories([self._user]))[0]
            marks = await self._store.read_watermarks([Topic.USER_ACTIVITY])
            row = (await self._store.read_user_rows(release, [self._user]))[0] if release else None
        except (StoreUnavailable, StoreRefused):
            return Trace(delivered, store_answers=False)
        partition = partition_of(self._user, TOPICS[Topic.USER_ACTIVITY].num_partitions)
        return Trace(
            delivered,
            # The append time is the broker's and a little later than `sent_ms`; seconds have passed since.
            watermark_passed=marks.get(Topic.USER_ACTIVITY, {}).get(partition, 0) > sent_ms,
            in_history=any(decode_event(payload).event_time_ms == sent_ms for payload in history.payloads),
            row_includes=row is not None and rev_of(row) >= history.rev,
            ranker_answers=release is not None,
        )
