"""Pair inference: pair requests -> pair rows by the foundation model, and each user's aggregate.

    python -m faust -A streams.pair_inference worker

It takes a window of requests, computes the most valuable pairs that it can do in time and sheds the rest, counted. What
it can do a second stands in the store, where speculation reads it.
"""

import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass

from inference.effects.capacity import PAIRS, Capacity
from inference.effects.pairs import PairOutcome, compute_pairs
from runtime.environment import load
from streams.agent import metrics
from streams.agent.app import AgentApp, AgentSpec, agent_app
from streams.agent.loop import AnyReceived, Effect, of_type
from streams.wire.events import PairRequest
from streams.wire.topics import Topic

TOPICS = (Topic.PAIR_REQUESTS.value,)
CAPACITY_TTL_MS = 10_000  # a worker that does not say so for longer does nothing
PUBLISH_EVERY_S = 2.0


@dataclass(frozen=True, slots=True)
class PairSettings:
    """`SOLARIS_PAIRS_*`."""

    batch_ms: int = 500  # what one batch may take; longer ones let requests behind them expire
    first_per_s: int = 200  # assumed before anything was measured

    def __post_init__(self) -> None:
        if self.batch_ms < 1 or self.first_per_s < 1:
            raise ValueError("batch_ms and first_per_s must be at least 1")


def pair_inference(app: AgentApp) -> Effect:
    """One batch: measure, compute, count."""
    settings = load(PairSettings, "SOLARIS_PAIRS")
    bench, capacity = app.bench, Capacity(settings.first_per_s, settings.batch_ms / 1000)
    worker = f"{socket.gethostname()}-{os.getpid()}"

    async def publish() -> None:
        await bench.store.publish_capacity(PAIRS, worker, capacity.per_s, CAPACITY_TTL_MS)

    app.repeat("capacity", PUBLISH_EVERY_S, publish)

    async def effect(received: Sequence[AnyReceived]) -> None:
        started = time.perf_counter()
        outcome = await compute_pairs(
            bench.store,
            await bench.releases(),
            of_type(received, PairRequest),
            now_ms=bench.clock.now_ms(),
            capacity=capacity.batch,
            compute=bench.compute,
        )
        capacity.observe(outcome.computed, time.perf_counter() - started)
        _count(outcome)

    return effect


def _count(outcome: PairOutcome) -> None:
    metrics.effects.labels("pairs").inc(outcome.computed)
    metrics.effects.labels("pairs_expired").inc(outcome.expired)
    metrics.effects.labels("pairs_other_version").inc(outcome.other_version)
    metrics.effects.labels("pairs_shed").inc(outcome.shed)
    metrics.effects.labels("pairs_unknown_item").inc(outcome.unknown_item)


app = agent_app(AgentSpec("pair-inference", TOPICS, TOPICS, 8013, pair_inference))
