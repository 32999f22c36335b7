"""A ranker as a child process."""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson

from cache.store import ItemWrite, Store
from inference.item_row import ItemState, encode_item_rows
from inference.release import Release
from inference.serving.schema import OfferedItem, RankRequest
from local.ports import LOOPBACK, free_port
from local.process import Child, tail
from runtime.ids import ItemId
from tests.agents import ROOT
from tests.unit.inference.releases import ITEMS

READY_S = 40.0  # two cores, and torch takes seconds to import


@dataclass(slots=True)
class RankerProcess:
    """`python -m inference serve` with its log in `folder`."""

    kafka: str
    redis: str
    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    port: int = 0
    child: Child | None = None

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def start(self, *, wait: bool = True) -> "RankerProcess":
        """Start it, and wait until it is ready unless told otherwise."""
        self.port = free_port()
        env = {
            "SOLARIS_KAFKA_BOOTSTRAP": self.kafka,
            "SOLARIS_REDIS_URL": self.redis,
            "SOLARIS_RANKER_PORT": str(self.port),
            **self.env,
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / "ranker.log"
        with log.open("ab") as output:
            self.child = Child([sys.executable, "-m", "inference", "serve"], env=env, output=output, cwd=ROOT)
        deadline = time.monotonic() + READY_S
        while wait and not self.is_ready():
            if self.child.status is not None or time.monotonic() > deadline:
                raise AssertionError(f"the ranker is not ready, status {self.child.status}:\n{tail(log)}")
            time.sleep(0.1)
        return self

    def is_ready(self) -> bool:
        answer = self.readiness()
        return answer is not None and answer[0] == 200

    def readiness(self) -> tuple[int, str] | None:
        """Status and body of /readyz; None while nobody answers."""
        try:
            answer = httpx.get(f"{self.url}/readyz", timeout=2)
        except httpx.HTTPError:
            return None
        return answer.status_code, answer.text

    def metric(self, name: str) -> float:
        """The sample with exactly this name and labels; 0 if there is none."""
        for line in httpx.get(f"{self.url}/metrics", timeout=5).text.splitlines():
            sample, _, value = line.rpartition(" ")
            if sample == name:
                return float(value)
        return 0.0

    def stop(self, timeout_s: float = 20.0) -> int:
        """SIGTERM; the exit status."""
        assert self.child is not None
        return self.child.stop(timeout_s)


def rank_request(
    user: str, items: Sequence[str] = tuple(ITEMS), k: int = 5, deadline_ms: int = 5_000, request_id: str = "r1"
) -> RankRequest:
    """A request with a deadline that a busy machine keeps."""
    return RankRequest(
        request_id=request_id,
        user_id=user,
        candidates=[OfferedItem(item_id=item, retrieval_score=1 - place / 1000) for place, item in enumerate(items)],
        k=k,
        deadline_ms=deadline_ms,
    )


async def fill_items(store: Store, release: Release) -> None:
    """Rows of every test item for one release."""
    states = [ItemState(item, features, 1, 1_000) for item, features in ITEMS.items()]
    rows = encode_item_rows(release, states)
    await store.write_items(
        [
            ItemWrite(ItemId(state.item), state.rev, orjson.dumps(state.features), {release.model_version: row})
            for state, row in zip(states, rows, strict=True)
        ]
    )


def values(records: Sequence[bytes | None]) -> list[dict[str, Any]]:  # Any: JSON
    """Records' values as objects."""
    return [json.loads(value) for value in records if value is not None]
