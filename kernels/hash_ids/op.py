"""The op: checks, then the form that is fastest for these tensors."""

import torch

from kernels.backend import use_triton
from kernels.checks import check_tensor
from kernels.hash_ids import reference


def hash_ids(ids: torch.Tensor, id_offsets: torch.Tensor, sizes: torch.Tensor, seeds: torch.Tensor) -> torch.Tensor:
    """Rows of hashed embedding tables for the raw ids of several features at once.

    `row = (splitmix64(id ^ seed) >> 32) * size >> 32`: the hash scrambles, the multiplication and shift reduce to
    0..size - 1 as evenly as a division and without one.

    `ids` [T] int64, any values; `id_offsets` [F + 1] int32 from 0 to T: the ids of feature f are
    `ids[id_offsets[f]:id_offsets[f + 1]]`; `sizes` [F] int64 rows of its table, 1 to 2^31 - 1; `seeds` [F] int64, so
    that features which share a table collide differently -> [T] int32. Same bits on every device.
    Raises ValueError on a shape, dtype or device that does not fit; no value is read.
    """
    check_tensor("ids", ids, (-1,), (torch.int64,), None)
    check_tensor("sizes", sizes, (-1,), (torch.int64,), ids.device)
    features = sizes.shape[0]
    check_tensor("id_offsets", id_offsets, (features + 1,), (torch.int32,), ids.device)
    check_tensor("seeds", seeds, (features,), (torch.int64,), ids.device)
    if ids.shape[0] > 0 and features == 0:
        raise ValueError(f"sizes is empty; {ids.shape[0]} ids ask for a table")
    if use_triton(ids):
        from kernels.hash_ids.kernel import hash_ids_triton

        return hash_ids_triton(ids, id_offsets, sizes, seeds)
    return reference.hash_ids(ids, id_offsets, sizes, seeds)
