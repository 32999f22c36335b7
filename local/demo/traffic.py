"""Live traffic: users who visit, are ranked for, and act on what they see by the hidden truth.

Each turn is what an application does: tell that retrieval has started, publish the candidates it found, ask for a
slate, show it, publish what the user did with it.
"""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from inference.client import RankClient, RankerUnreachable, RankFailed
from inference.serving.schema import OfferedItem, PrepareRequest, RankAnswer, RankRequest
from inference.synthetic.world import World
from runtime.clock import Clock
from runtime.ids import ItemId, UserId
from streams.wire.events import Event, Retrieval
from streams.wire.producer import Producer, ProducerFull
from streams.wire.topics import Topic

NUM_VISITORS = 40  # present at a time; few enough that each comes back within a pair's life
REQUESTS_A_VISIT = 12
SLATE_SIZE = 12
DEADLINE_MS = 1_000  # two cores run everything here, the broker included
OVERLOADED = 429
PATIENCE_S = 60.0


@dataclass(slots=True)
class Tally:
    """What the answers said, counted."""

    answers: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    item_sources: Counter[str] = field(default_factory=Counter)
    user_sources: Counter[str] = field(default_factory=Counter)
    degraded: Counter[str] = field(default_factory=Counter)
    latencies_s: list[float] = field(default_factory=list)
    num_shown: int = 0
    num_clicks: int = 0

    def add(self, answer: RankAnswer, seconds: float) -> None:
        """Count one answer."""
        self.answers += 1
        self.latencies_s.append(seconds)
        self.user_sources[answer.user.source] += 1
        self.degraded.update(answer.degraded)
        self.item_sources.update(item.source for item in answer.items)


class Traffic:
    """Visitors of one world, until cancelled. `tally` may be replaced to begin a new count."""

    def __init__(self, world: World, producer: Producer, client: RankClient, clock: Clock, seed: int = 0) -> None:
        self.tally = Tally()
        self._world, self._producer, self._client, self._clock = world, producer, client, clock
        self._rng = np.random.default_rng(seed)
        self._visitors: dict[UserId, int] = {}  # user -> requests left in this visit

    async def run(self, requests_per_s: float) -> None:
        """Send requests at this rate, open loop: a slow answer does not slow the arrivals."""
        due_s = time.monotonic()
        async with asyncio.TaskGroup() as turns:
            while True:
                due_s += float(self._rng.exponential(1.0 / requests_per_s))
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))
                turns.create_task(self._turn(self._visitor()))
                for event in self._world.due(self._clock.now_ms()):
                    self.send(Topic.USER_ACTIVITY, event.user_id, event)

    def send(self, topic: Topic, key: str, event: Event) -> None:
        """Publish, or count that the broker does not take it."""
        try:
            self._producer.send(topic, key, event)
        except ProducerFull:
            self.tally.failures["producer full"] += 1

    def _visitor(self) -> UserId:
        while len(self._visitors) < NUM_VISITORS:
            user = self._world.users[int(self._rng.integers(len(self._world.users)))]
            self._visitors.setdefault(user, REQUESTS_A_VISIT)
        user = list(self._visitors)[int(self._rng.integers(NUM_VISITORS))]
        self._visitors[user] -= 1
        if self._visitors[user] == 0:
            del self._visitors[user]
        return user

    async def _turn(self, user: UserId) -> None:
        found = self._world.request(user, self._clock.now_ms())
        try:
            prepare = PrepareRequest(request_id=found.request_id, user_id=user, surface=found.surface)
            await self._client.prepare(prepare, timeout_ms=DEADLINE_MS)
            self.send(Topic.RETRIEVAL_EVENTS, user, found)
            start_s = time.monotonic()
            answer = await self._client.rank(rank_request(found, SLATE_SIZE))
        except RankFailed as error:
            self.tally.failures[error.type] += 1
            return
        except RankerUnreachable:
            self.tally.failures["unreachable"] += 1
            return
        self.tally.add(answer, time.monotonic() - start_s)
        self._act(user, [ItemId(item.item_id) for item in answer.items], found.request_id)

    def _act(self, user: UserId, slate: list[ItemId], request_id: str) -> None:
        events = self._world.react(user, slate, request_id, self._clock.now_ms())
        self.tally.num_shown += len(slate)
        self.tally.num_clicks += sum(event.kind == "click" for event in events)
        for event in events:
            self.send(Topic.USER_ACTIVITY, user, event)


async def rank_patiently(client: RankClient, request: RankRequest) -> RankAnswer:
    """What the demo wants to show is asked again when the ranker sheds it; raises RankFailed after a minute of that."""
    start_s = time.monotonic()
    while True:
        try:
            return await client.rank(request)
        except RankFailed as error:
            if error.status != OVERLOADED or time.monotonic() - start_s > PATIENCE_S:
                raise
        await asyncio.sleep(0.25)


def rank_request(found: Retrieval, k: int, *, explore: bool = True) -> RankRequest:
    """The ranking request that follows a completed retrieval; without `explore` no slot is filled by chance."""
    return RankRequest(
        request_id=found.request_id,
        user_id=found.user_id,
        candidates=[
            OfferedItem(item_id=candidate.item_id, retrieval_score=candidate.retrieval_score)
            for candidate in found.candidates or []
        ],
        k=k,
        deadline_ms=DEADLINE_MS,
        surface=found.surface,
        explore=explore,
    )
