"""The ranker process put together: what is built once, started in order, and stopped in reverse."""

import asyncio
import logging
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial

from starlette.applications import Starlette

from cache.store import Store, StoreRefused, StoreUnavailable
from inference.serving.engine import Engine, warm_up
from inference.serving.ranking import Ranker
from inference.serving.reporter import EventSink, Reporter
from inference.serving.scorer import scorer_on
from inference.serving.server import Server
from inference.serving.settings import RankerSettings
from inference.serving.user_rows import UserRows
from inference.serving.user_side import UserSide
from inference.serving.watermarks import Watermarks
from inference.watcher import ReleaseWatcher
from runtime.clock import Clock, SystemClock
from runtime.health import Readiness
from runtime.logs import kv

log = logging.getLogger(__name__)

STOP_S = 5.0  # rows that are being computed when the process stops


class RankerApp:
    """Everything of one ranker but the sockets. `store` and `sink` are closed by whoever made them."""

    def __init__(
        self, store: Store, sink: EventSink, model: str, settings: RankerSettings, clock: Clock | None = None
    ) -> None:
        clock = clock or SystemClock()
        self._ended: dict[str, str] = {}  # background work that should not have, and why
        self._stopping = False
        self._scoring = ThreadPoolExecutor(1, thread_name_prefix="engine")
        self._towers = ThreadPoolExecutor(1, thread_name_prefix="user-tower")
        scorer = scorer_on(settings.device, settings.fp8)
        on_loaded = partial(warm_up, scorer)
        self.watcher = ReleaseWatcher(store, model, ranker=settings.name, on_loaded=on_loaded, clock=clock)
        self.watermarks = Watermarks(store, clock)
        self.reporter = Reporter(sink, clock, settings.max_reports, settings.max_misses_per_s)
        user_rows = UserRows(store, self._towers, lambda: self.watcher.kept, settings.max_user_rows)
        engine = Engine(scorer, self._scoring, settings.max_batch_candidates)
        self.ranker = Ranker(
            store,
            model,
            self.watcher,
            self.watermarks,
            engine,
            UserSide(user_rows, self.reporter, clock),
            self.reporter,
            settings,
            clock,
        )
        self.readiness = Readiness(
            {
                "release": self._no_release,
                "engine": engine.stopped,
                "user-tower": user_rows.hung,
                "background": self._background_ended,
            }
        )
        self._server = Server(self.ranker, self.readiness, clock)

    def asgi(self) -> Starlette:
        """The ASGI application; its lifespan starts and stops the background work."""
        return self._server.app(self._lifespan)

    async def start(self) -> list["asyncio.Task[None]"]:
        """Load what the store names, if it can be asked, and begin the background work."""
        for refresh in (self.watcher.refresh, self.watermarks.refresh):
            with suppress(StoreUnavailable, StoreRefused):  # the background work goes on trying
                await refresh()
        loop = asyncio.get_running_loop()
        work = {"watcher": self.watcher.run, "watermarks": self.watermarks.run, "reporter": self.reporter.run}
        tasks = [loop.create_task(run(), name=name) for name, run in work.items()]
        for task in tasks:
            task.add_done_callback(self._note_end)
        return tasks

    async def stop(self, tasks: list["asyncio.Task[None]"]) -> None:
        """Finish what was begun and hand over what is still to be reported."""
        await self.ranker.drain(STOP_S)
        self._stopping = True
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.reporter.drain()
        self.watcher.close()
        self._scoring.shutdown(wait=False, cancel_futures=True)
        self._towers.shutdown(wait=False, cancel_futures=True)

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        tasks = await self.start()
        try:
            yield
        finally:
            await self.stop(tasks)

    def _no_release(self) -> str | None:
        if self.watcher.live is not None:
            return None
        return f"no release is loaded: {self.watcher.problem}" if self.watcher.problem else "no release is loaded"

    def _note_end(self, task: "asyncio.Task[None]") -> None:
        if self._stopping:
            return
        reason = "cancelled" if task.cancelled() else repr(task.exception())
        self._ended[task.get_name()] = reason
        log.error(kv("background work ended", work=task.get_name(), reason=reason))

    def _background_ended(self) -> str | None:
        return "; ".join(f"{name} ended: {reason}" for name, reason in self._ended.items()) or None
