"""Speculation: decides which pairs are worth the foundation model, within a budget -> pair requests.

    python -m faust -A streams.speculation worker

It serves the next request, not the one under way. A request that is lost costs nothing but its pairs' chance: the marks
that say "pending" end with it.
"""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cache.store import PairIndex, Store
from inference.effects.capacity import PAIRS
from runtime.environment import load
from runtime.ids import ItemId, ModelVersion, UserId
from streams.agent import metrics
from streams.agent.app import AgentApp, AgentSpec, agent_app
from streams.agent.bench import Bench
from streams.agent.loop import AnyReceived, Effect, of_type
from streams.speculation_policy import Budget, Shares, Wanted, drop_known, limit_per_user, rate_per_s, value_pairs
from streams.wire.events import Activity, PairRequest, RequestedPair, Retrieval, Slate
from streams.wire.producer import ProducerFailed, ProducerFull
from streams.wire.topics import TOPICS as SPECS
from streams.wire.topics import Topic

TOPICS = (Topic.RETRIEVAL_EVENTS.value, Topic.USER_ACTIVITY.value, Topic.SLATES_SERVED.value)
READ_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class SpeculationSettings:
    """`SOLARIS_SPECULATION_*`: pairs a second of all workers together, and what a pair request may be."""

    budget_per_s: int = 200  # pairs, of all workers together
    burst_ms: int = 5_000  # of budget that may be saved up
    max_per_user: int = 32  # of one batch; more than a slate shows is seldom asked for
    min_value_percent: int = 5  # pairs worth less are not asked for
    expiry_ms: int = 60_000  # how long a request is worth computing

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) < (0 if name in ("budget_per_s", "min_value_percent") else 1):
                raise ValueError(f"{name} is {getattr(self, name)}; that is too small")


class Admission:
    """What this worker may ask for now; `refresh` keeps what it depends on current."""

    def __init__(self, app: AgentApp, settings: SpeculationSettings) -> None:
        self._app = app
        self._settings = settings
        self._budget = Budget(settings.burst_ms / 1000)
        self._capacity_per_s = 0.0  # nobody computes pairs before somebody says so
        self._queue_delay_s: float | None = None

    async def refresh(self) -> None:
        """Read capacity and queue delay; raises StoreUnavailable."""
        store, now_ms = self._app.bench.store, self._app.bench.clock.now_ms()
        self._capacity_per_s = await store.read_capacity(PAIRS)
        marks = (await store.read_watermarks([Topic.PAIR_REQUESTS])).get(Topic.PAIR_REQUESTS, {})
        self._queue_delay_s = max(now_ms - min(marks.values()), 0) / 1000 if marks else None

    def allowed(self) -> int:
        """Pairs that may be asked for now."""
        topic = Topic.RETRIEVAL_EVENTS
        rate = rate_per_s(
            budget_per_s=self._settings.budget_per_s,
            capacity_per_s=self._capacity_per_s,
            own_share=self._app.own_share(topic, SPECS[topic].num_partitions),
            queue_delay_s=self._queue_delay_s,
            expiry_s=self._settings.expiry_ms / 1000,
        )
        return self._budget.fill(rate, self._app.bench.clock.monotonic())

    def spend(self, num_pairs: int) -> None:
        """These were asked for."""
        self._budget.spend(num_pairs)


def speculation(app: AgentApp) -> Effect:
    """One batch: value, limit, admit, mark as pending, ask."""
    settings = load(SpeculationSettings, "SOLARIS_SPECULATION")
    bench, admission = app.bench, Admission(app, settings)
    app.repeat("admission", READ_EVERY_S, admission.refresh)

    async def effect(received: Sequence[AnyReceived]) -> None:
        now_ms = bench.clock.now_ms()
        retrievals = [one.event for one in of_type(received, Retrieval)]
        activity = [one.event for one in of_type(received, Activity)]
        slates = [one.event for one in of_type(received, Slate)]
        valued = value_pairs(retrievals, activity, slates, now_ms)
        wanted = limit_per_user(valued, settings.max_per_user, settings.min_value_percent / 100)
        releases = await bench.releases()  # the live one first
        shares = Shares(admission.allowed(), len(releases))
        for release in releases:
            version, allowed = release.model_version, shares.next()
            indices = await pair_indices(bench.store, version, wanted)
            new = drop_known(wanted, indices)
            metrics.effects.labels("pairs_known").inc(len(wanted) - len(new))
            metrics.effects.labels("pairs_over_budget").inc(max(len(new) - allowed, 0))
            revs = {user: index.rev for user, index in indices.items()}
            asked = await ask(bench, version, new[:allowed], revs, now_ms + settings.expiry_ms)
            metrics.effects.labels("pairs_requested").inc(asked)
            admission.spend(asked)
            shares.spend(asked)

    return effect


async def pair_indices(store: Store, release: ModelVersion, wanted: Sequence[Wanted]) -> dict[UserId, PairIndex]:
    """What is there and what was asked for already, of the users in `wanted`."""
    users = list(dict.fromkeys(pair.user for pair in wanted))
    return dict(zip(users, await store.pair_index(release, users), strict=True)) if users else {}


async def ask(
    bench: Bench, release: ModelVersion, wanted: Sequence[Wanted], revs: Mapping[UserId, int], expires_ms: int
) -> int:
    """Mark pairs as pending and send their requests; returns how many were asked for."""
    by_user: dict[UserId, dict[ItemId, float]] = {}
    for pair in wanted:
        by_user.setdefault(pair.user, {})[pair.item] = pair.value
    return sum(
        await asyncio.gather(
            *[_ask_user(bench, release, user, revs[user], pairs, expires_ms) for user, pairs in by_user.items()]
        )
    )


async def _ask_user(
    bench: Bench, release: ModelVersion, user: UserId, rev: int, pairs: dict[ItemId, float], expires_ms: int
) -> int:
    items = await bench.store.mark_pending(release, user, list(pairs), expires_ms)
    if not items:  # another worker was faster
        return 0
    request = PairRequest(
        event_id=uuid.uuid4().hex,
        event_time_ms=bench.clock.now_ms(),
        user_id=user,
        items=[RequestedPair(item_id=item, value=pairs[item]) for item in items],
        rev=rev,
        model=release.model,
        version=release.version,
        expires_ms=expires_ms,
    )
    try:
        bench.producer.send(Topic.PAIR_REQUESTS, user, request, on_delivery=_count_failure)
    except (ProducerFull, ProducerFailed) as error:
        _count_failure(repr(error))
        return 0
    return len(items)


def _count_failure(reason: str | None) -> None:
    if reason is not None:
        metrics.effects.labels("pair_requests_failed").inc()


app = agent_app(
    AgentSpec(
        "speculation",
        TOPICS,
        (Topic.SLATES_SERVED.value,),  # user refresh answers for the others
        8012,
        speculation,
        produces=(Topic.PAIR_REQUESTS.value,),
    )
)
