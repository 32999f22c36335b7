"""Our processes as children, for integration and chaos tests: an agent, or the ranker, each with its page."""

import json
import re
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self

from local.ports import LOOPBACK
from local.process import Child, tail

ROOT = Path(__file__).parent.parent
READY_S = 90.0  # two cores, and torch takes seconds to import
# A request waits 50 ms for the store, which a busy machine may need for anything: for tests that are not of that limit.
PATIENT = {"SOLARIS_REDIS_REQUEST_TIMEOUT_MS": "10000"}


@dataclass(slots=True)
class AgentProcess:
    """`python -m faust -A <module> worker` with its log in `folder`."""

    module: str
    kafka: str
    redis: str
    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    port: int = 0
    child: Child | None = None
    page_line: ClassVar[re.Pattern[str]] = re.compile(r'event="page" url=http://[\w.]+:(\d+)/metrics')
    _log_begin: int = field(default=0, init=False)

    @property
    def command(self) -> list[str]:
        return ["-m", "faust", "-A", self.module, "worker"]

    @property
    def port_variable(self) -> str:
        return "SOLARIS_AGENT_PORT"

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder / f"{self.module}.log"

    def start(self) -> Self:
        """Start it, do not wait. It takes a free port itself: one chosen here may be another's once torch is loaded."""
        self.port = 0
        env = {
            "SOLARIS_KAFKA_BOOTSTRAP": self.kafka,
            "SOLARIS_REDIS_URL": self.redis,
            self.port_variable: "0",
            **self.env,
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        self._log_begin = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as output:
            self.child = Child([sys.executable, *self.command], env=env, output=output, cwd=ROOT)
        return self

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a page; 0 while nobody answers."""
        if not self.port and not self._find_port():
            return 0, ""
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name: str) -> float:
        """The sample with exactly this name and labels; 0 if there is none."""
        for line in self.get("/metrics")[1].splitlines():
            sample, _, value = line.rpartition(" ")
            if sample == name:
                return float(value)
        return 0.0

    def is_ready(self) -> bool:
        return self.get("/readyz")[0] == 200

    def wait_ready(self) -> Self:
        """Wait until nothing is missing."""
        return self._wait_without(None)

    def wait_consuming(self) -> Self:
        """Wait until an agent has partitions, whatever else is missing for it to be ready."""
        return self._wait_without("consumer")

    def stop(self, timeout_s: float = 20.0) -> int:
        """SIGTERM; the exit status."""
        assert self.child is not None
        return self.child.stop(timeout_s)

    def kill(self) -> None:
        """SIGKILL."""
        if self.child is not None:
            with suppress(ProcessLookupError):
                self.child.signal(signal.SIGKILL)
            self.child.kill()

    def _find_port(self) -> bool:
        """Whether the log of this life says by now where the page is."""
        with self.log.open("rb") as log:
            log.seek(self._log_begin)
            found = self.page_line.search(log.read().decode(errors="replace"))
        self.port = int(found[1]) if found else 0
        return found is not None

    def _wait_without(self, failure: str | None) -> Self:
        """Wait until /readyz answers without this failure; without any for None."""
        deadline = time.monotonic() + READY_S
        while True:
            status, body = self.get("/readyz")
            failures = json.loads(body)["failures"] if status else {"page": "nobody answers"}
            if status and (failure not in failures if failure else not failures):
                return self
            assert self.child is not None
            if self.child.status is not None or time.monotonic() > deadline:
                raise AssertionError(f"{self.module} status {self.child.status}, {failures}:\n{tail(self.log)}")
            time.sleep(0.1)


@dataclass(slots=True)
class RankerProcess(AgentProcess):
    """`python -m inference serve`; its log is `ranker.log`."""

    module: str = field(default="ranker", init=False)
    page_line: ClassVar[re.Pattern[str]] = re.compile(r"Uvicorn running on http://[\w.]+:(\d+) ")

    @property
    def command(self) -> list[str]:
        return ["-m", "inference", "serve"]

    @property
    def port_variable(self) -> str:
        return "SOLARIS_RANKER_PORT"


def stop_all(agents: Sequence[AgentProcess]) -> None:
    """Kill what a test left running."""
    for agent in agents:
        agent.kill()
