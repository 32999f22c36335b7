"""`SOLARIS_AGENT_*`: what every agent can be told."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from cache.limits import DEFAULT_HISTORY_LENGTH
from runtime.environment import load


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """One agent process. Its page listens on `host` and `port` (0: a free one); `num_threads` are torch's, in the one
    thread that computes."""

    host: str = "127.0.0.1"  # where its page listens
    port: int = 8010  # 0 for a free one; each agent has a default of its own from here up
    batch_max: int = 1000  # records of a batch at most
    batch_within_ms: int = 50  # a batch that is not full waits this long: the larger part of event to effect
    num_threads: int = 1  # torch's, in the one thread that computes
    history_length: int = DEFAULT_HISTORY_LENGTH  # events that a history keeps
    session_ms: int = 10_000  # how long a killed worker keeps its partitions
    stop_grace_ms: int = 20_000  # after SIGTERM; a body that is not done by then ends uncommitted
    stuck_after_ms: int = 30_000  # without a commit or a beat of the body while there is lag
    watermark_ms: int = 500  # between two notes of how far it has come
    dead_letter_timeout_ms: int = 30_000  # for the broker to take a record that cannot be worked

    def __post_init__(self) -> None:
        if not 0 <= self.port < 65_536:
            raise ValueError(f"port is {self.port}; 0 to 65535 are allowed")
        for name in self.__slots__:
            if name not in ("host", "port") and getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")


def agent_settings(environ: Mapping[str, str] | None = None) -> AgentSettings:
    """Read `SOLARIS_AGENT_*`; raises SettingsError."""
    return load(AgentSettings, "SOLARIS_AGENT", os.environ if environ is None else environ)
