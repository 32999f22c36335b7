"""How long work of a given size takes, learnt from what it took: seconds = fixed + each x size."""

DECAY = 0.95  # the newest twenty measurements count for about two thirds
MIN_SPREAD = 1e-6


class Estimate:
    """A decayed least-squares line through (size, seconds); never negative, 0 before the first measurement."""

    def __init__(self) -> None:
        self._weight = self._size = self._seconds = self._size_size = self._size_seconds = 0.0

    def add(self, size: float, seconds: float) -> None:
        """One measurement."""
        self._weight = self._weight * DECAY + 1
        self._size = self._size * DECAY + size
        self._seconds = self._seconds * DECAY + seconds
        self._size_size = self._size_size * DECAY + size * size
        self._size_seconds = self._size_seconds * DECAY + size * seconds

    def seconds(self, size: float) -> float:
        """What work of this size will probably take."""
        if not self._weight:
            return 0.0
        mean_size, mean_seconds = self._size / self._weight, self._seconds / self._weight
        spread = self._size_size / self._weight - mean_size**2
        if spread <= MIN_SPREAD * max(mean_size**2, 1.0):  # all of one size: proportional beyond it, flat below it
            return mean_seconds * max(size / mean_size, 1.0) if mean_size else mean_seconds
        each = max((self._size_seconds / self._weight - mean_size * mean_seconds) / spread, 0.0)
        fixed = max(mean_seconds - each * mean_size, 0.0)
        return fixed + each * size
