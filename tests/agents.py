"""Real agents as child processes for integration and chaos tests, and what they need around them."""

import json
import signal
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cache.store import ReleaseState, Store
from inference.training.untrained import untrained_release
from local.ports import LOOPBACK, free_port
from local.process import Child, tail
from runtime.clock import now_ms
from runtime.ids import UserId
from runtime.settings import KafkaSettings
from streams.wire.events import Activity, Event
from streams.wire.headers import Headers
from streams.wire.producer import Producer
from streams.wire.reader import FromOffsets, Reader
from streams.wire.record import Record
from tests.unit.inference.releases import ITEMS

ROOT = Path(__file__).parent.parent
READY_S = 40.0  # two cores, and torch takes seconds to import


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

    def start(self) -> "AgentProcess":
        """Start it, do not wait."""
        self.port = free_port()
        env = {
            "SOLARIS_KAFKA_BOOTSTRAP": self.kafka,
            "SOLARIS_REDIS_URL": self.redis,
            "SOLARIS_AGENT_PORT": str(self.port),
            **self.env,
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            command = [sys.executable, "-m", "faust", "-A", self.module, "worker"]
            self.child = Child(command, env=env, output=output, cwd=ROOT)
        return self

    @property
    def log(self) -> Path:
        return self.folder / f"{self.module}.log"

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a page; 0 while nobody answers."""
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{self.port}{path}", timeout=2) as answer:
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

    def wait_consuming(self) -> "AgentProcess":
        """Wait until it has partitions, whatever else is missing for it to be ready."""
        deadline = time.monotonic() + READY_S
        while True:
            status, body = self.get("/readyz")
            if status and "consumer" not in json.loads(body)["failures"]:
                return self
            assert self.child is not None
            if self.child.status is not None or time.monotonic() > deadline:
                raise AssertionError(f"{self.module} status {self.child.status}, /readyz {body}:\n{tail(self.log)}")
            time.sleep(0.1)

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


@dataclass(slots=True)
class Topics:
    """Sends to topics and reads them back."""

    bootstrap: str
    producer: Producer

    def send(self, topic: str, key: str, event: Event) -> None:
        self.producer.send(topic, key, event)

    def send_raw(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = ()) -> None:
        self.producer.send_raw(topic, key, value, headers)

    def flush(self) -> None:
        assert self.producer.flush(30) == 0

    def ends(self, topic: str) -> dict[int, int]:
        """End offset of each partition."""
        with Reader(KafkaSettings(bootstrap=self.bootstrap), topic) as reader:
            return {partition: high for partition, (_, high) in reader.watermarks().items()}

    def since(self, topic: str, offsets: dict[int, int]) -> list[Record]:
        """Everything after `offsets`."""
        with Reader(KafkaSettings(bootstrap=self.bootstrap), topic) as reader:
            return list(reader.read(FromOffsets(offsets)))


async def make_live(store: Store, folder: Path, version: str = "v1", *, live: bool = True, seed: int = 0) -> None:
    """Write an untrained release of the test items and make it live (or staged beside what is live)."""
    location = folder / version
    sha256 = untrained_release(location, ITEMS, version=version, seed=seed)
    before = await store.read_release("main")
    entry = {version: json.dumps({"location": str(location), "sha256": sha256})}
    state = ReleaseState(
        live=version if live else before.live,
        staged=None if live else version,
        previous=before.live if live else before.previous,
        entries={**before.entries, **entry},
    )
    assert await store.change_release("main", before, state)
    await store.set_epochs("test")


def new_user(name: str = "user") -> UserId:
    """A user that no other test knows."""
    return UserId(f"{name}-{uuid.uuid4().hex[:12]}")


def click(user: str, item: str, *, event_id: str | None = None, time_ms: int | None = None) -> Activity:
    """A click, now unless said otherwise."""
    return Activity(
        event_id=event_id or uuid.uuid4().hex,
        event_time_ms=now_ms() if time_ms is None else time_ms,
        user_id=user,
        item_id=item,
        kind="click",
        request_id="r",
        position=0,
    )


def stop_all(agents: Sequence[AgentProcess]) -> None:
    """Kill what a test left running."""
    for agent in agents:
        agent.kill()
