"""How long work of a given size takes, learnt from what it took: seconds = fixed + each x size."""

DECAY = 0.95  # the newest twenty measurements count for about two thirds
USUAL_SIZE = 100  # below it size hardly matters: what tiny work took says nothing of each, only of fixed
MIN_SPREAD = 0.1  # of the mean size; sizes nearer to each other than that say more of noise than of growth


class Estimate:
    """A decayed least-squares line through (size, seconds); never negative, 0 before the first measurement.

    Never steeper than proportional to size: twice the work takes at most twice as long.
    """

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
        usual_size = max(mean_size, USUAL_SIZE)
        if spread <= (MIN_SPREAD * usual_size) ** 2:  # all of one size: proportional beyond it, flat below it
            return mean_seconds * max(size / usual_size, 1.0)
        each = (self._size_seconds / self._weight - mean_size * mean_seconds) / spread
        each = min(max(each, 0.0), mean_seconds / mean_size)
        return max(mean_seconds + each * (size - mean_size), 0.0)  # rounding alone can bring it below
