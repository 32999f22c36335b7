"""The whole stack on this machine: which services, where they listen, in which order they start.

    async with Stack(settings) as stack:
        await stack.start_base()             # Kafka and Redis (unless the user has own ones), the topics, rebuild
        await stack.run("train", [...])      # anything that needs them, run to its end
        await stack.start_processes()        # agents, ranker, lag monitor
        print(stack.addresses["ranker"])

Leaving the block stops everything and removes `addresses.json`.
"""

import fcntl
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from local.kafka import SHOWN_LINE, Kafka
from local.ports import LOOPBACK, free_port, is_free
from local.probe import HttpProbe
from local.runner import Runner
from local.service import Service
from local.settings import ROOT, LocalSettings
from local.valkey import Valkey
from runtime.addresses import LOCK_NAME, write_addresses

AGENTS = ("user_refresh", "item_inference", "speculation", "pair_inference")
KAFKA_VARIABLE = "SOLARIS_KAFKA_BOOTSTRAP"
REDIS_VARIABLE = "SOLARIS_REDIS_URL"
EXPLORE_VARIABLE, EXPLORE_SHARE = "SOLARIS_RANKER_EXPLORE_SHARE", "0.05"  # for `inference train --from-topics`
REBUILD_TIMEOUT_S = 1800.0
STOP_TIMEOUT_S = 25.0  # agents end by themselves after 20 s
IMPORT_TIMEOUT_S = 120.0  # torch alone takes seconds, and everything starts at once


class StackError(Exception):
    """The stack cannot start here."""


def say_on_screen(text: str) -> None:
    """Print; a closed terminal must not keep the stack from stopping."""
    try:
        print(text, flush=True)
    except OSError:
        return


class Stack:
    """One stack per folder. Use it from the main thread."""

    def __init__(
        self,
        settings: LocalSettings,
        say: Callable[[str], None] = say_on_screen,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.addresses: dict[str, str] = {}
        self._settings, self._say = settings, say
        self._environ = os.environ if environ is None else environ
        self._ports: set[int] = set()
        self._lock: IO[str] | None = None
        self.runner = Runner(settings.folder / "log", say, cwd=ROOT)

    @property
    def env(self) -> dict[str, str]:
        """What every process of the stack gets; for commands that the caller starts as well."""
        return {KAFKA_VARIABLE: self.addresses["kafka"], REDIS_VARIABLE: self.addresses["redis"]}

    async def __aenter__(self) -> Self:
        folder = self._settings.folder
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = (folder / LOCK_NAME).open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise StackError(f"another stack is running in {folder}; stop it first") from None
        self._addresses_file.unlink(missing_ok=True)  # of a stack that was killed
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Stop everything, in reverse order; may be called again."""
        self._addresses_file.unlink(missing_ok=True)
        await self.runner.stop()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    async def start_base(self) -> None:
        """Kafka and Redis, or the user's own, the topics, and what an emptied Redis has lost: first of all the release
        that was live, before anybody finds that none is. Raises StartError, JarError, JavaError."""
        services = []
        if own_kafka := self._environ.get(KAFKA_VARIABLE):
            self._say(f"kafka: your own at {own_kafka}")
            self.addresses["kafka"] = own_kafka
        else:
            services.append(self._kafka())
        if own_redis := self._environ.get(REDIS_VARIABLE):
            self._say("redis: your own")  # the URL may hold a password
            self.addresses["redis"] = own_redis
        else:
            services.append(self._valkey())
        await self.start(*services)
        await self.start(self._command("topics", "streams", "topics", "--create", timeout_s=IMPORT_TIMEOUT_S))
        await self.start(self._command("rebuild", "streams", "rebuild", "--if-needed", timeout_s=REBUILD_TIMEOUT_S))

    async def start_processes(self) -> None:
        """Agents, ranker and lag monitor, together. After `start_base`."""
        agents = [self._agent(name, self._settings.agent_port + index) for index, name in enumerate(AGENTS)]
        await self.start(*agents, self._ranker(), self._lag())

    async def start(self, *services: Service) -> None:
        """Start services of your own beside ours, then write the addresses anew."""
        await self.runner.start(*services)
        write_addresses(self.addresses, self._addresses_file)

    async def run(self, name: str, command: Sequence[str], timeout_s: float = REBUILD_TIMEOUT_S) -> None:
        """Run a command of the stack to its end, its output on the screen; raises StartError unless it ends with 0."""
        await self.runner.start(
            Service(name, tuple(command), self.env, one_shot=True, ready_timeout_s=timeout_s, on_screen=True)
        )

    async def wait_ready(self, name: str, timeout_s: float = IMPORT_TIMEOUT_S) -> None:
        """Wait until a started service is ready, again after a restart; raises TimeoutError."""
        await self.runner.wait_ready(name, timeout_s)

    @property
    def _addresses_file(self) -> Path:
        return self._settings.folder / "addresses.json"

    def _port(self, name: str, wish: int) -> int:
        port = wish
        while port in self._ports or not is_free(port):
            port = free_port()
        if port != wish:
            self._say(f"{name}: port {wish} is taken, using {port}")
        self._ports.add(port)
        return port

    def _kafka(self) -> Service:
        port = self._port("kafka", self._settings.kafka_port)
        server = Kafka(self._settings.folder / "kafka", port, free_port(), self._settings.jars)
        self.addresses["kafka"] = server.bootstrap
        return Service(
            "kafka",
            tuple(server.command()),
            prepare=server.prepare,
            is_ready=server.is_ready,
            address=server.bootstrap,
            show_line=SHOWN_LINE,
        )

    def _valkey(self) -> Service:
        port = self._port("redis", self._settings.redis_port)
        server = Valkey(self._settings.folder / "redis", port, durable=True, max_memory=self._settings.redis_memory)
        self.addresses["redis"] = server.url
        return Service(
            "redis", tuple(server.command()), prepare=server.prepare, is_ready=server.is_ready, address=server.url
        )

    def _command(self, name: str, package: str, *words: str, timeout_s: float) -> Service:
        command = (sys.executable, "-m", package, *words)
        return Service(name, command, self.env, one_shot=True, ready_timeout_s=timeout_s)

    def _agent(self, name: str, wish: int) -> Service:
        command = (sys.executable, "-m", "faust", "-A", f"streams.{name}", "worker")
        return self._web_service(name, command, "SOLARIS_AGENT_PORT", wish)

    def _ranker(self) -> Service:
        command = (sys.executable, "-m", "inference", "serve")
        explore = {EXPLORE_VARIABLE: self._environ.get(EXPLORE_VARIABLE, EXPLORE_SHARE)}
        return self._web_service("ranker", command, "SOLARIS_RANKER_PORT", self._settings.ranker_port, explore)

    def _lag(self) -> Service:
        command = (sys.executable, "-m", "streams", "lag", "--serve")
        return self._web_service("lag", command, "SOLARIS_LAG_PORT", self._settings.lag_port)

    def _web_service(
        self, name: str, command: tuple[str, ...], port_variable: str, wish: int, more: Mapping[str, str] | None = None
    ) -> Service:
        port = self._port(name, wish)
        url = f"http://{LOOPBACK}:{port}"
        self.addresses[name] = url
        probe = HttpProbe(f"{url}/readyz")
        return Service(
            name,
            command,
            {**self.env, port_variable: str(port), **(more or {})},
            is_ready=probe.is_ready,
            why_not=probe.why_not,
            address=url,
            ready_timeout_s=IMPORT_TIMEOUT_S,
            stop_timeout_s=STOP_TIMEOUT_S,
        )
