"""How much time a request has left, counted from its arrival."""

from dataclasses import dataclass

from runtime.clock import Clock

MAX_RESERVE_SHARE = 0.2  # of a deadline so short that the usual reserve would eat it


@dataclass(frozen=True, slots=True)
class Deadline:
    """An arrival (monotonic seconds) and what follows from it. `reserve_s` is kept for the fallback answer."""

    clock: Clock
    arrived_s: float
    deadline_ms: int
    reserve_s: float

    @classmethod
    def after(cls, clock: Clock, arrived_s: float, deadline_ms: int, reserve_ms: int) -> "Deadline":
        reserve_s = min(reserve_ms, deadline_ms * MAX_RESERVE_SHARE) / 1000
        return cls(clock, arrived_s, deadline_ms, reserve_s)

    def elapsed_s(self) -> float:
        return self.clock.monotonic() - self.arrived_s

    def remaining_s(self) -> float:
        """Until the answer must be out; negative when it is late."""
        return self.deadline_ms / 1000 - self.elapsed_s()

    def usable_s(self) -> float:
        """What stages may use: the rest without the reserve, 0 when there is none."""
        return max(self.remaining_s() - self.reserve_s, 0.0)

    @property
    def passed(self) -> bool:
        return self.remaining_s() <= 0
