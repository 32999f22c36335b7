"""Settings of the ranker process: `SOLARIS_RANKER_*`."""

import os
import socket
from dataclasses import dataclass, field

from inference.forward.buckets import CANDIDATES

MAX_DEADLINE_MS = 30_000
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True, slots=True)
class RankerSettings:
    """Bounds of one ranker. Units stand in the names."""

    host: str = "127.0.0.1"  # where it listens
    port: int = 8000  # 0 for a free one
    name: str = field(default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}")  # signs acknowledgements
    default_deadline_ms: int = 200  # of requests that name none
    reserve_ms: int = 5  # kept of every deadline for answering in retrieval order when scoring is late
    max_in_flight: int = 256  # requests admitted and not answered; more are shed however short they are
    max_batch_candidates: int = 16_384  # what one call of the model takes at most; bounds its memory
    max_user_rows: int = 512  # user rows in work or waiting, 256 of them ahead of requests; beyond it: failover at once
    device: str = "auto"  # where the model runs: cpu, cuda, or a GPU if there is one
    fp8: bool = True  # on a GPU, where the release's precision table proves it there; false: bf16 whatever it says
    variant: str = "standard"  # preferred where the release has it, else the release's last
    cold_variant: str = "small"  # for users without a representation: nothing there for a larger model to work on
    explore_share: float = 0.0  # of the slots, filled by chance: a cost in clicks that only the operator can agree to
    max_behind_ms: int = 60_000  # an answer from a pipeline further behind than this says so in `degraded`
    max_reports: int = 2_000  # slates and (lists of) misses waiting for Kafka; more are dropped and counted
    max_misses_per_s: int = 1_000  # a catalogue that is not filled yet must not flood the agents

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise ValueError(f"port is {self.port}; 0 (any free one) to 65535 are allowed")
        if not 1 <= self.default_deadline_ms <= MAX_DEADLINE_MS:
            raise ValueError(f"default_deadline_ms is {self.default_deadline_ms}; 1 to {MAX_DEADLINE_MS} are allowed")
        if not 0 <= self.explore_share <= 1:
            raise ValueError(f"explore_share is {self.explore_share}; 0 (none) to 1 (every slot) are allowed")
        if self.device not in DEVICES:
            raise ValueError(f"device is {self.device!r}; allowed are {', '.join(DEVICES)}")
        if self.max_batch_candidates > CANDIDATES[-1]:
            allowed = f"{CANDIDATES[-1]} is what the model is prepared for at most"
            raise ValueError(f"max_batch_candidates is {self.max_batch_candidates}; {allowed}")
        at_least_one = ("max_in_flight", "max_batch_candidates", "max_user_rows", "max_reports", "max_misses_per_s")
        for name in (*at_least_one, "reserve_ms"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
