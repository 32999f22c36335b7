"""The Faust app of one agent: one consumer group, one stream over its topics, one body.

Importing a module that calls `agent_app` does no I/O and makes no event loop: settings are read when Faust asks for its
configuration, everything else is made when the worker starts.
"""

import asyncio
import contextlib
import gc
import logging
import os
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

import faust
from faust.app.base import BootStrategy

from cache.store import StoreUnavailable
from runtime import logs
from runtime.health import Readiness
from runtime.settings import kafka_settings
from streams.agent.bench import Bench, open_bench
from streams.agent.consumer import FaustView, record_of
from streams.agent.credentials import broker_urls, credentials
from streams.agent.dead_letter import DeadLetters
from streams.agent.event_loop import use_event_loop
from streams.agent.exits import Exit, end_process
from streams.agent.lean import LeanMonitor, RawSchema
from streams.agent.lean_consumer import use_lean_consumer
from streams.agent.loop import BatchLoop, Effect
from streams.agent.page import Page
from streams.agent.preflight import preflight
from streams.agent.progress import Progress
from streams.agent.quiet import quieten
from streams.agent.settings import AgentSettings, agent_settings
from streams.agent.watchdog import StuckRule, Vitals, Watchdog
from streams.agent.watermark import Watermarks

log = logging.getLogger(__name__)

LOOK_EVERY_S = 2.0  # readiness asks the store this often
TICK_LIMIT_S = 30.0  # an event loop that did not tick for this long is not alive


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """What makes an agent: its name (the group is `solaris.<name>`), its topics, its effect.

    `watermarks` are the topics it answers for, with watermarks and dead letters: of several groups that read a topic,
    one.
    """

    name: str
    consumes: tuple[str, ...]
    watermarks: tuple[str, ...]
    default_port: int
    make_effect: "Callable[[AgentApp], Effect]"
    produces: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        return f"solaris.{self.name}"


class _Worker(faust.Worker):  # type: ignore[misc]  # Faust has no types
    """Logs as our other processes do. Faust's own set-up silences loggers that exist and turns stderr into a log."""

    def __init__(self, app: Any, *args: Any, **options: Any) -> None:  # Any: Faust's services and options
        super().__init__(app, *args, **options | {"redirect_stdouts": False, "quiet": True})
        self.spinner = None

    def _setup_logging(self) -> None:
        logs.setup(self.app.spec.name)
        quieten()


class _Boot(BootStrategy):  # type: ignore[misc]  # Faust has no types
    enable_web = False  # its pages show tables, and CLI options would turn them on


class AgentApp(faust.App):  # type: ignore[misc]  # Faust has no types
    """Faust's app with our start and end: preflight, bench, watermarks, watchdog, page."""

    BootStrategy = _Boot

    spec: AgentSpec
    settings: AgentSettings
    bench: Bench
    progress: Progress
    body: BatchLoop[Any]  # Any: Faust's events
    _opened = False

    def worker_init(self) -> None:
        """Faust calls this when a worker is to run, before it makes its event loop; a topic needs settings."""
        use_event_loop()
        topic = self.topic(*self.spec.consumes, schema=RawSchema(key_serializer="raw", value_serializer="raw"))
        self.agent(topic, name=self.spec.name, concurrency=1)(self._consume)
        super().worker_init()

    def _new_transport(self) -> Any:  # Any: Faust has no types
        return use_lean_consumer(super()._new_transport())

    async def on_first_start(self) -> None:
        """Before anything is connected. Faust's own version only makes folders that we do not use."""
        settings = self.settings
        self._tasks: list[asyncio.Task[None]] = []
        await preflight(kafka_settings(), self.spec.group, self.spec.consumes, self.spec.produces)
        self.bench = open_bench(self.spec.name, settings)
        self.progress = Progress()
        self.view = FaustView(self)
        letters = DeadLetters(
            self.bench.producer, settings.dead_letter_timeout_ms / 1000, self.spec.group, self.spec.watermarks
        )
        self.body = BatchLoop(
            self.spec.make_effect(self),
            letters,
            self.progress,
            to_record=record_of,
            stopping=lambda: bool(self.should_stop),
            clock=self.bench.clock,
        )
        self._marks = Watermarks(
            self.bench.store, self.spec.watermarks, self.progress, lambda: self.view, self.bench.clock
        )
        self._store_state: str | None = "not asked yet"
        self._ticked_s = time.monotonic()
        self._start_page()
        rule = StuckRule(settings.stuck_after_ms / 1000, settings.stop_grace_ms / 1000)
        self._watchdog = Watchdog(rule, self._vitals, time.monotonic)
        self._watchdog.start()
        gc.collect()
        gc.freeze()  # torch's hundred thousands of objects are not looked at again
        self._opened = True
        self._task(self.bench.watcher.run(), "release watcher")
        self.repeat("watermarks", settings.watermark_ms / 1000, self._tick)
        self.repeat("readiness", LOOK_EVERY_S, self._look)

    async def on_stop(self) -> None:
        """Faust waits here for the body and commits; then we leave."""
        await super().on_stop()
        if self._opened:  # else we were told to stop during the preflight
            for task in self._tasks:
                task.cancel()
            self._watchdog.close()
            self._page.close()
            await self.bench.close()

    def repeat(self, name: str, every_s: float, work: Callable[[], Awaitable[None]]) -> None:
        """Do `work` now and then again and again beside the body; a store that is away only costs a turn."""

        async def run() -> None:
            while True:
                with contextlib.suppress(StoreUnavailable):
                    await work()
                await asyncio.sleep(every_s)

        self._task(run(), name)

    def own_share(self, topic: str, num_partitions: int) -> float:
        """The part of a topic's partitions that is ours, 0 to 1."""
        return sum(partition.topic == topic for partition in self.view.assignment()) / num_partitions

    async def _consume(self, stream: Any) -> None:  # Any: a Faust stream
        within_s = self.settings.batch_within_ms / 1000
        async for events in stream.take_events(self.settings.batch_max, within=within_s):
            await self.body.process(events)  # nothing else may stand here: what it raises would be lost

    def _start_page(self) -> None:
        conditions = {
            "consumer": lambda: None if self.view.assignment() else "no partitions are assigned",
            "store": lambda: self._store_state,
            "body": lambda: f"paused: {self.progress.paused}" if self.progress.paused else None,
        }
        self._page = Page(Readiness(conditions), self._alive)
        try:
            or_free = "SOLARIS_AGENT_PORT" not in os.environ
            self._page.start(self.settings.port, or_free=or_free, host=self.settings.host)
        except OSError as error:
            end_process(Exit.MISCONFIGURED, f"SOLARIS_AGENT_PORT={self.settings.port}: {error}")

    async def _tick(self) -> None:
        self._ticked_s = time.monotonic()
        await self._marks.tick()

    async def _look(self) -> None:
        try:
            missing = await self.bench.store.missing_epochs()
            self._store_state = f"{len(missing)} epochs are missing: rebuild" if missing else None
        except StoreUnavailable as error:
            self._store_state = str(error)

    def _alive(self) -> str | None:
        silent_s = time.monotonic() - self._ticked_s
        return f"the event loop has not ticked for {silent_s:.0f} s" if silent_s > TICK_LIMIT_S else None

    def _vitals(self) -> Vitals:
        committed, done = self.view.committed(), self.progress.done
        lag = 0
        for partition in self.view.assignment():
            end = self.view.fetched(partition).highwater
            reached = max(committed.get(partition, 0), done[partition].offset + 1 if partition in done else 0)
            lag += max((end or 0) - reached, 0)
        return Vitals(self.progress.num_beats, sum(committed.values()), lag, bool(self.should_stop))

    def _task(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        task.add_done_callback(_end_if_failed)
        self._tasks.append(task)


def agent_app(spec: AgentSpec) -> AgentApp:
    """The app of one agent, for `python -m faust -A <module> worker`."""
    app = AgentApp(spec.group)
    app.spec = spec
    app.on_configured.connect(_configure)
    return app


def _configure(app: AgentApp, conf: Any, **_: Any) -> None:  # Any: Faust's settings
    kafka = kafka_settings()
    settings = agent_settings()
    app.settings = settings if "SOLARIS_AGENT_PORT" in os.environ else replace(settings, port=app.spec.default_port)
    conf.broker = broker_urls(kafka)
    conf.broker_credentials = credentials(kafka)
    conf.broker_client_id = app.spec.group
    conf.broker_commit_interval = 0.3  # also what a kill makes the next one read again
    conf.broker_session_timeout = settings.session_ms / 1000
    conf.broker_heartbeat_interval = settings.session_ms / 5000
    conf.broker_rebalance_timeout = settings.session_ms / 1000
    conf.broker_request_timeout = 30.0
    conf.consumer_auto_offset_reset = "earliest"
    conf.consumer_metadata_max_age_ms = 5_000  # new partitions are seen in seconds, not in five minutes
    conf.producer_metadata_max_age_ms = 5_000
    conf.stream_wait_empty = True  # False would commit what a paused body has not done
    conf.topic_allow_declare = False
    conf.topic_disable_leader = True  # no assignor topic, no right to make one
    conf.web_enabled = False
    conf.Worker = _Worker
    conf.Monitor = LeanMonitor


def _end_if_failed(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and task.exception() is not None:
        log.critical(logs.kv("task failed", task=task.get_name()), exc_info=task.exception())
        end_process(Exit.FAILED, f"{task.get_name()} failed: {task.exception()!r}")
