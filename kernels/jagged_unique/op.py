"""The op: checks, then the form that is fastest for these tensors."""

import torch

from kernels.backend import use_triton
from kernels.checks import check_integer, check_tensor
from kernels.jagged_unique import reference

MAX_KEYS = 1 << 29  # places are int32 and the table has up to four times as many, and some to spare


def jagged_unique(
    keys: torch.Tensor, *, capacity: int | None = None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The distinct keys of a batch, so that each embedding is fetched once and copied by index.

    `keys` [n] int64, any values, n up to 2^29 -> (unique [capacity] int64, inverse [n] int32, count [1] int32, on the
    device). `unique[:count]` are the distinct keys in the order of their first occurrence, the same on every device and
    in every run; behind them stand zeros. `unique[inverse] == keys`. With more distinct keys than `capacity` (default
    n) the first are kept, `count` says how many there were, and `inverse` of a key that did not fit is -1.

    Expected O(n): an open-addressing table of at least 2 n places and one scan. `torch.unique` sorts, and the host
    waits for the size of its result; here no shape depends on a value, so it can be captured in a CUDA graph.
    Raises ValueError on a shape, dtype or device that does not fit; no value is read on the host.
    """
    check_tensor("keys", keys, (-1,), (torch.int64,), None)
    n = keys.shape[0]
    if n > MAX_KEYS:
        raise ValueError(f"keys are {n}; allowed are {MAX_KEYS}")
    capacity = n if capacity is None else capacity
    check_integer("capacity", capacity, 0)
    if use_triton(keys):
        from kernels.jagged_unique.kernel import jagged_unique_triton

        return jagged_unique_triton(keys, capacity)
    return reference.jagged_unique(keys, capacity)
