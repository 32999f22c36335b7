"""How much pair inference takes on, from how fast it has been."""

import math

PAIRS = "pairs"  # the name under which the store keeps it
WEIGHT = 0.2  # of the newest measurement in the running mean


class Capacity:
    """Pairs per second as a running mean, and from it the largest batch that takes no longer than `batch_s`."""

    def __init__(self, first_per_s: float, batch_s: float) -> None:
        self.per_s = first_per_s
        self._batch_s = batch_s

    @property
    def batch(self) -> int:
        """At least one, or nothing would ever be measured."""
        return max(1, math.floor(self.per_s * self._batch_s))

    def observe(self, num_pairs: int, seconds: float) -> None:
        """A batch of `num_pairs` took `seconds`, all included."""
        if num_pairs and seconds > 0:
            self.per_s += WEIGHT * (num_pairs / seconds - self.per_s)
