"""Ragged batches in plain PyTorch: what stands between the lengths of lists and the kernels over them."""

import torch
import torch.nn.functional as F


def offsets_from_lengths(lengths: torch.Tensor) -> torch.Tensor:
    """Where each list begins and the last ends: `lengths` [M] integers -> [M + 1] int32, beginning with 0.

    The library's scan; nothing is read on the host.
    """
    return F.pad(lengths.cumsum(0, dtype=torch.int32), (1, 0))
