"""What the three kinds of process expose, made by their real metric modules and kept in motion.

Each read of an address moves every counter, histogram and offset on, as traffic would, so that rates over a few scrapes
are numbers. The label values are those that the code uses.
"""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

import inference.metrics
import streams.agent.metrics
from inference.precision.release_precision import Precision
from inference.protocol import Tier
from inference.serving.degrade import Reason
from runtime.metrics import exposition
from streams.lag.groups import AGENT_TOPICS
from streams.lag.history import LagHistory
from streams.lag.metrics import MonitorMetrics, lag_registry
from streams.lag.report import LagReport
from streams.lag.snapshot import GroupState, PartitionState, Place, Snapshot
from streams.wire.topics import TOPICS, Topic

PROCESS_METRICS = ["process_resident_memory_bytes", "process_start_time_seconds"]
STEP_RECORDS = 8
DRAINED_RECORDS = 40  # a group that catches up reads more than is appended

VALUES: dict[str, tuple[str, ...]] = {
    "route": ("rank",),
    "outcome": ("ok", "overloaded"),
    "stage": ("decode", "hydrate", "user", "queue", "score", "select"),
    "variant": ("small", "standard"),
    "source": tuple(tier.name.lower() for tier in Tier),
    "found": ("row", "negative", "missing", "corrupt"),
    "kind": ("item",),
    "topic": (Topic.USER_ACTIVITY.value, Topic.ITEM_UPDATES.value),
    "model": ("main",),
    "version": ("20261121-093000-1a2b3c",),
    "precision": tuple(Precision),
}
# Where the same label has another set of values.
METRIC_VALUES: dict[str, dict[str, tuple[str, ...]]] = {
    "solaris_ranker_degraded": {"reason": tuple(Reason)},
    "solaris_agent_paused": {"reason": ("redis",)},
    "solaris_agent_paused_seconds": {"reason": ("redis",)},
    "solaris_agent_dead_letters": {"reason": ("not-json",)},
    "solaris_agent_passed_over": {"reason": ("not-json",)},
}


def exercise(module: object) -> None:
    """Move every metric that the module declares."""
    for metric in vars(module).values():
        if isinstance(metric, MetricWrapperBase):
            values = VALUES | METRIC_VALUES.get(metric._name, {})
            for labels in itertools.product(*(values[label] for label in metric._labelnames)):
                _move(metric.labels(*labels) if labels else metric)


def _move(metric: MetricWrapperBase) -> None:
    if isinstance(metric, Counter):
        metric.inc()
    elif isinstance(metric, Gauge):
        metric.set(1)
    elif isinstance(metric, Histogram):
        metric.observe(0.01)
    else:
        raise AssertionError(f"{type(metric)} is a kind of metric that no process has had so far")


class MovingBroker:
    """Snapshots in which records are appended and all groups read; the first group catches up from far behind."""

    def __init__(self) -> None:
        self._history = LagHistory(window_s=2.0, history_s=60.0)
        self._steps = 0
        self.current: tuple[Snapshot, LagReport] | None = None

    def step(self) -> None:
        """Read the broker once more."""
        self._steps += 1
        end = 100_000 + STEP_RECORDS * self._steps
        partitions = {
            Place(name, number): PartitionState(0, end, leader=1, replicas=(1,), in_sync=(1,))
            for name, spec in TOPICS.items()
            for number in range(spec.num_partitions)
        }
        groups = {}
        for index, (group, topics) in enumerate(AGENT_TOPICS.items()):
            behind = max(20_000 - DRAINED_RECORDS * self._steps, 0) if index == 0 else STEP_RECORDS
            committed = {place: end - behind for place in partitions if place.topic in topics}
            groups[group] = GroupState("stable", 1, committed)
        snapshot = Snapshot(time.time(), {1: "broker:9092"}, partitions, groups)
        self.current = snapshot, self._history.add(snapshot)


def ranker_exposition() -> bytes:
    """Of a ranker that has just answered something."""
    exercise(inference.metrics)
    return _declared_by(inference.metrics)


def agent_exposition() -> bytes:
    """Of an agent that has just done something of everything."""
    exercise(streams.agent.metrics)
    return _declared_by(streams.agent.metrics)


def _declared_by(module: object) -> bytes:
    """The part of this process' registry that the module's own process would have."""
    metrics = [metric for metric in vars(module).values() if isinstance(metric, MetricWrapperBase)]
    names = [sample.name for metric in metrics for family in metric.collect() for sample in family.samples]
    part: CollectorRegistry = REGISTRY.restricted_registry([*names, *PROCESS_METRICS])  # type: ignore[assignment]
    return exposition(part)[0]


class LagExposition:
    """Of a lag monitor that has just read the broker."""

    def __init__(self) -> None:
        self._broker = MovingBroker()
        self._registry, self._own = lag_registry(lambda: self._broker.current)

    def __call__(self) -> bytes:
        self._broker.step()
        own: MonitorMetrics = self._own
        own.read_seconds.observe(0.01)
        own.read_failures.inc(0)
        return exposition(self._registry)[0]


@contextmanager
def serving(bodies: dict[str, Callable[[], bytes]]) -> Iterator[int]:
    """Serve each body under its path on loopback; yields the port."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with lock:
                body = bodies[self.path]()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()
