"""Run services: started in order, restarted when they end, stopped in reverse order, none left behind.

    runner = Runner(Path("var/log"), say=print)
    await runner.start(kafka, valkey)      # together; returns when both are ready
    await runner.start(ranker)
    ...
    await runner.stop()                    # ranker, then kafka and valkey

The runner must live in the main thread: a child dies with the thread that started it. What a kill -9 of this process
leaves is the guard's business (`local/guard.py`).
"""

import asyncio
import contextlib
import signal
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from local.output import ServiceLog
from local.process import Child, adopt_orphans, collect, dead_children, kill_descendants, tail
from local.service import Backoff, Service
from local.waits import answered, cancelled, ended

MARK = "LOCAL_RUNNER"  # environment variable of every service
REAP_EVERY_S = 1.0
STARTS_BEFORE_READY = 3  # a service that ends this often before it was ever ready is broken


class StartError(Exception):
    """A service did not become ready; the message ends with the last lines of its log."""


@dataclass(slots=True)
class _Running:
    service: Service
    log: ServiceLog | None  # None: on the screen
    child: Child | None = None
    restarts: int = 0
    keeper: asyncio.Task[None] | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def where(self) -> str:
        """Where its output stands, for messages."""
        return f" ({self.log.path})" if self.log is not None else ""


class Runner:
    """Keeps services running until `stop`."""

    def __init__(
        self,
        log_folder: Path,
        say: Callable[[str], None] = print,
        backoff: Backoff | None = None,
        cwd: Path | None = None,
    ) -> None:
        adopt_orphans()
        self._log_folder, self._say, self._cwd = log_folder, say, cwd
        self._backoff = backoff or Backoff()
        self._mark = uuid.uuid4().hex  # by which whatever descends from our services is known
        self._groups: list[list[_Running]] = []
        self._reaper: asyncio.Task[None] | None = None

    async def start(self, *services: Service) -> None:
        """Start `services` together and return when all are ready (one-shot ones: have ended with status 0).

        Raises StartError; what was started stays until `stop`.
        """
        if self._reaper is None:
            self._reaper = asyncio.create_task(self._reap())
        group = [_Running(service, self._open_log(service)) for service in services]
        self._groups.append(group)
        tasks = [asyncio.create_task(self._start_one(running)) for running in group]
        try:
            await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    async def wait_ready(self, name: str, timeout_s: float) -> None:
        """Wait until `name` is ready (again, after a restart); raises TimeoutError, KeyError if it was not started."""
        async with asyncio.timeout(timeout_s):
            await self._find(name).ready.wait()

    def pid(self, name: str) -> int | None:
        """The process id of a running service, None between two lives."""
        child = self._find(name).child
        return child.pid if child is not None and child.status is None else None

    def restarts(self, name: str) -> int:
        """How often a service was started again."""
        return self._find(name).restarts

    async def stop(self) -> None:
        """Stop everything, the last started first; then kill whatever descends from us."""
        for group in reversed(self._groups):
            for running in group:
                await cancelled(running.keeper)
            await asyncio.gather(*(self._stop_one(running) for running in group))
        self._groups.clear()
        await cancelled(self._reaper)
        self._reaper = None
        if left := kill_descendants(f"{MARK}={self._mark}"):
            self._say(f"processes that could not be killed: {left}")

    def _find(self, name: str) -> _Running:
        return {r.service.name: r for group in self._groups for r in group}[name]

    def _open_log(self, service: Service) -> ServiceLog | None:
        if service.on_screen:
            return None
        return ServiceLog(service.name, self._log_folder / f"{service.name}.log", service.show_line, self._say)

    async def _start_one(self, running: _Running) -> None:
        service, began = running.service, time.monotonic()
        for attempt in range(1, STARTS_BEFORE_READY + 1):
            child = await self._spawn(running)
            left_s = service.ready_timeout_s - (time.monotonic() - began)
            if await self._until_ready(running, child, left_s):
                self._say(f"{service.name}: {_how_started(service, time.monotonic() - began)}")
                running.ready.set()
                if not service.one_shot:
                    running.keeper = asyncio.create_task(self._keep(running, time.monotonic()))
                return
            if child.status is None:
                raise self._start_error(running, _not_ready(service))
            if service.one_shot or attempt == STARTS_BEFORE_READY:
                raise self._start_error(running, f"ended with status {child.status}")
            await asyncio.sleep(self._backoff.delay_s(attempt))

    async def _spawn(self, running: _Running) -> Child:
        service = running.service
        if service.prepare is not None:
            await asyncio.to_thread(service.prepare)
        env = {**service.env, MARK: self._mark}
        output = None if running.log is None else running.log.write_end
        running.child = Child(service.command, env=env, output=output, cwd=self._cwd)
        return running.child

    async def _until_ready(self, running: _Running, child: Child, timeout_s: float) -> bool:
        """True once ready; False when the process has ended, with its group, or the time is over."""
        service = running.service
        ending = asyncio.create_task(ended(child))
        probing = asyncio.create_task(answered(service.is_ready))
        waiting = {ending} if service.one_shot else {ending, probing}
        try:
            await asyncio.wait(waiting, timeout=max(0.0, timeout_s), return_when=asyncio.FIRST_COMPLETED)
            if ending.done():
                child.kill()
                return service.one_shot and child.status == 0
            if service.one_shot or not probing.done():
                return False
            probing.result()  # raises what the probe raised
            return True
        finally:
            await cancelled(ending)
            await cancelled(probing)

    async def _keep(self, running: _Running, started: float) -> None:
        """Start the service again each time it ends, with growing waits."""
        failures = 0
        while True:
            assert running.child is not None
            await ended(running.child)
            running.ready.clear()
            running.child.kill()  # its children: the next life must find ports and locks free
            lived_s = time.monotonic() - started
            failures = 1 if lived_s >= self._backoff.steady_s else failures + 1
            delay_s = self._backoff.delay_s(failures)
            name, status = running.service.name, running.child.status
            lived = f"ended with status {status} after {lived_s:.0f} s"
            self._say(f"{name}: {lived}, again in {delay_s:.1f} s{running.where}")
            await asyncio.sleep(delay_s)
            started = time.monotonic()
            running.restarts += 1
            try:
                child = await self._spawn(running)
            except Exception as error:  # whatever `prepare` raises; the next try may succeed
                self._say(f"{name}: {error}")
                continue
            if await self._until_ready(running, child, running.service.ready_timeout_s):
                running.ready.set()
                self._say(f"{name}: ready again")
            elif child.status is None:
                self._say(f"{name} {_not_ready(running.service)}; killed{running.where}")
                child.kill()

    async def _stop_one(self, running: _Running) -> None:
        child = running.child
        if child is not None:
            if child.status is None:
                child.signal(signal.SIGTERM)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(running.service.stop_timeout_s):
                        await ended(child)
                if child.status is None:
                    self._say(f"{running.service.name}: did not stop in {running.service.stop_timeout_s:g} s, killed")
            child.kill()
        if running.log is not None:
            running.log.close()

    async def _reap(self) -> None:
        """Collect adopted orphans. Dead at two looks in a row: whoever waits for a child of ours was faster."""
        dead: set[int] = set()
        while True:
            await asyncio.sleep(REAP_EVERY_S)
            before, dead = dead, dead_children()
            collect(before & dead)

    def _start_error(self, running: _Running, what: str) -> StartError:
        last = f"; its log ends with:\n{tail(running.log.path)}" if running.log is not None else ""
        return StartError(f"{running.service.name} {what}{running.where}{last}")


def _not_ready(service: Service) -> str:
    reason = f": {service.why_not()}" if service.why_not is not None else ""
    return f"was not ready after {service.ready_timeout_s:g} s{reason}"


def _how_started(service: Service, seconds: float) -> str:
    verb = "done" if service.one_shot else "ready"
    return f"{verb} in {seconds:.1f} s" + (f" at {service.address}" if service.address else "")
