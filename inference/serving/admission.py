"""Whether a request that has just come can be answered in time; if not it is told so at once."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

from inference.serving.deadline import Deadline
from inference.serving.errors import overloaded
from inference.serving.estimate import Estimate

MAX_RETRY_AFTER_S = 60


class Admission:
    """Predicts completion from the backlog (candidates admitted, not answered) and the measured service times.

    An idle ranker admits whatever comes: else one slow measurement could shed everything and never be corrected.
    """

    def __init__(self, max_in_flight: int) -> None:
        self._max_in_flight = max_in_flight
        self.requests = 0  # in flight
        self.candidates = 0  # in flight
        self.hydration = Estimate()  # seconds of round trip and decoding, by candidates of the request
        self.scoring = Estimate()  # seconds by candidates of the batch

    def predict_s(self, num_candidates: int) -> float:
        """Seconds from now to the answer of a request of this size."""
        return self.hydration.seconds(num_candidates) + self.scoring.seconds(self.candidates + num_candidates)

    @contextmanager
    def admit(self, num_candidates: int, deadline: Deadline) -> Iterator[None]:
        """Count the request as in flight; raises RequestError 429 if it would be late."""
        predicted_s = self.predict_s(num_candidates)
        full = self.requests >= self._max_in_flight
        if self.requests and (full or predicted_s > deadline.usable_s()):
            raise overloaded(predicted_s, deadline.remaining_s(), self._retry_after_s())
        self.requests += 1
        self.candidates += num_candidates
        try:
            yield
        finally:
            self.requests -= 1
            self.candidates -= num_candidates

    def _retry_after_s(self) -> int:
        """Whole seconds until the backlog of now is worked off."""
        return min(max(math.ceil(self.scoring.seconds(self.candidates)), 1), MAX_RETRY_AFTER_S)
