"""One request on its way through the ranker: what it is pinned to, what is known so far, how long each stage took."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from inference import metrics
from inference.release import Release
from inference.serving.deadline import Deadline
from inference.serving.degrade import Reason
from inference.serving.hydration import Hydration
from inference.serving.schema import RankRequest
from runtime.ids import ItemId, UserId


class Fallback(Exception):
    """The model cannot score this request in time; it is answered in retrieval order for this reason."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(slots=True)
class Call:
    """State of one request; `release` holds for all of it."""

    request: RankRequest
    items: list[ItemId]  # of the candidates, in their order
    release: Release
    deadline: Deadline
    hydration: Hydration = field(init=False)  # from the stage of this name on
    variant: str = ""
    reasons: list[Reason] = field(default_factory=list)
    stages_s: dict[str, float] = field(default_factory=dict)

    @property
    def user(self) -> UserId:
        return UserId(self.request.user_id)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what happens inside, also when it fails."""
        began_s = self.deadline.clock.monotonic()
        try:
            yield
        finally:
            self.took(name, self.deadline.clock.monotonic() - began_s)

    def took(self, name: str, seconds: float) -> None:
        """Note the time of a stage that was measured elsewhere."""
        self.stages_s[name] = seconds

    def observe(self) -> None:
        """Count the finished call for the metrics."""
        for name, seconds in self.stages_s.items():
            metrics.stage_seconds.labels(name).observe(seconds)
        metrics.request_seconds.observe(self.deadline.elapsed_s())
        metrics.request_candidates.observe(len(self.request.candidates))
        for reason in self.reasons:
            metrics.degraded.labels(reason).inc()
