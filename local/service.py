"""What the runner needs to know of a service."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

# The level in the lines of our own processes and of Kafka (second word), and tracebacks.
ERROR_LINE = re.compile(r"^\S+Z (error|critical|fatal) |^Traceback |^\w*(Error|Exception): ")


@dataclass(frozen=True, slots=True)
class Service:
    """One process to keep running, or (`one_shot`) to run to its end with status 0."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)  # added to ours
    prepare: Callable[[], object] | None = None  # before every start, in a thread
    is_ready: Callable[[], bool] | None = None  # in a thread, with a timeout of its own; None: ready once started
    why_not: Callable[[], str] | None = None  # what the last `is_ready` saw, for messages
    one_shot: bool = False
    address: str | None = None  # shown on the screen
    ready_timeout_s: float = 60.0
    stop_timeout_s: float = 15.0
    show_line: re.Pattern[str] = ERROR_LINE  # lines that reach the screen as well as the log
    on_screen: bool = False  # all of its output goes to the screen, as if started by hand, and none to the log


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before a service that ended is started again."""

    first_s: float = 0.5
    factor: float = 2.0
    longest_s: float = 15.0
    steady_s: float = 30.0  # a life of this length counts as healthy: the next wait is the first again

    def delay_s(self, num_failures: int) -> float:
        """The wait after the `num_failures`-th short life in a row, counted from 1."""
        return min(self.longest_s, self.first_s * self.factor ** min(num_failures - 1, 30))
