"""The definition, in plain PyTorch: a stable sort. No shape depends on a value, so a GPU need not be waited for."""

import torch

Distinct = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def jagged_unique(keys: torch.Tensor, capacity: int) -> Distinct:
    """Unique [capacity], inverse [n] and count [1]; see `op.jagged_unique`."""
    n = keys.shape[0]
    unique = torch.zeros(capacity + 1, dtype=torch.int64, device=keys.device)  # the last takes what does not fit
    if n == 0:
        return unique[:capacity], keys.to(torch.int32), torch.zeros(1, dtype=torch.int32, device=keys.device)
    place = torch.arange(n, device=keys.device)
    first = first_occurrence(keys, place)
    is_first = first == place
    number = is_first.cumsum(0) - 1  # of each first occurrence, its place among the distinct
    inverse = number[first]
    unique.index_copy_(0, torch.where(is_first, number, capacity).clamp(max=capacity), keys)
    fits = torch.where(inverse < capacity, inverse, -1)
    return unique[:capacity], fits.to(torch.int32), (number[-1:] + 1).to(torch.int32)


def first_occurrence(keys: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """Where each key occurs first [n]; `place` is 0..n-1."""
    ordered, origin = keys.sort(stable=True)
    begins = torch.ones_like(ordered, dtype=torch.bool)
    begins[1:] = ordered[1:] != ordered[:-1]
    first_in_order = torch.where(begins, place, 0).cummax(0).values  # of each key, where its run begins
    first = torch.empty_like(origin)
    first[origin] = origin[first_in_order]
    return first
