"""Settings of the local stack: `SOLARIS_LOCAL_*`."""

from dataclasses import dataclass
from pathlib import Path

from local.kafka import JARS

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """Ports are wishes: where one is taken the stack takes a free one and says so."""

    folder: Path = ROOT / "var"  # data, logs, addresses; data survive between runs
    jars: Path = JARS  # Kafka's, fetched once
    kafka_port: int = 9092  # of the broker
    redis_port: int = 6379  # of Valkey
    ranker_port: int = 8000  # of the ranker
    lag_port: int = 8001  # of the lag monitor and its page
    agent_port: int = 8010  # of the first agent; the others follow
    redis_memory: str = "1gb"  # above it, rows with a TTL are evicted

    def __post_init__(self) -> None:
        for name in ("kafka_port", "redis_port", "ranker_port", "lag_port", "agent_port"):
            if not 1 <= getattr(self, name) <= 65_000:
                raise ValueError(f"{name} is {getattr(self, name)}; 1 to 65000 are allowed")
