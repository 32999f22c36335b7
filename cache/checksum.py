"""A checksum over rows that numpy computes for a whole batch at once.

Multilinear: the sum of word_j x constant_j modulo 2^64 over the row's 64-bit words, then a bijective mix. Every
constant is odd, so a change confined to one word always changes the sum; constants of words left out are zero. It
guards against damage, not against an adversary.
"""

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

_SEED: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX_A: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX_B: Final = np.uint64(0x94D049BB133111EB)


def checksum(words: NDArray[np.uint64], left_out: tuple[int, ...]) -> NDArray[np.uint64]:
    """Checksums [N] of rows given as words [N, M], not reading the words at the indices `left_out`."""
    constants = _constants(words.shape[1], left_out)
    sums: NDArray[np.uint64] = words @ constants  # modulo 2^64, as all of numpy's integers
    return _mix(sums + _SEED)


@lru_cache(maxsize=64)
def _constants(num_words: int, left_out: tuple[int, ...]) -> NDArray[np.uint64]:
    """Odd constants [M]: splitmix64 of the word's index, a fixed part of the row format."""
    index = np.arange(1, num_words + 1, dtype=np.uint64)
    constants = _mix(index * _SEED) | np.uint64(1)
    constants[list(left_out)] = 0
    constants.setflags(write=False)
    return constants


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    values = (values ^ (values >> np.uint64(30))) * _MIX_A
    values = (values ^ (values >> np.uint64(27))) * _MIX_B
    return values ^ (values >> np.uint64(31))
