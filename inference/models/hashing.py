"""Ids and feature values as integers: the same in every process, without a vocabulary to ship for the values."""

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray


def hash64(text: str) -> int:
    """A 64-bit hash of the text's UTF-8 (surrogates pass), as a signed integer."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little", signed=True)


def hash_all(texts: Iterable[str]) -> NDArray[np.int64]:
    """`hash64` of each text, [N] int64."""
    return np.fromiter((hash64(text) for text in texts), dtype=np.int64)


def token_id(name: str, value: str, num_buckets: int) -> int:
    """The row of `name=value` in the unified feature table: 1 to num_buckets - 1 (0 is padding)."""
    return 1 + hash64(f"{name}={value}") % (num_buckets - 1)
