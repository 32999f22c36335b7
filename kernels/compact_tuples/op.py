"""The op: checks, then the form that is fastest for these tensors."""

import torch

from kernels.backend import use_triton
from kernels.checks import check_tensor
from kernels.compact_tuples import reference
from kernels.compact_tuples.layout import ALIGNMENT, TupleLayout


def unpack_tuples(buffer: torch.Tensor, layout: TupleLayout) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """A batch's sparse features out of the one buffer in which they came (`layout.pack_tuples`).

    `buffer` [layout.num_bytes] uint8, 16-byte aligned -> (offsets [M + 1] int32: a view of the buffer, ids [T] int64,
    weights [T] float32 or None). Codes are not checked: one beyond the dictionary is an error of whoever packed it.
    To hash or fetch each distinct id once, take the dictionary (`reference.views`) instead of the ids.
    Source: the compact tuple format of Meta's Adaptive Ranking Model, of which only the name is public.
    Raises ValueError on a shape, dtype or address that does not fit.
    """
    check_tensor("buffer", buffer, (layout.num_bytes,), (torch.uint8,), None)
    if askew := buffer.data_ptr() % ALIGNMENT:
        raise ValueError(f"buffer begins {askew} bytes past a multiple of {ALIGNMENT}; call .clone()")
    if use_triton(buffer):
        from kernels.compact_tuples.kernel import unpack_tuples_triton

        return unpack_tuples_triton(buffer, layout)
    return reference.unpack_tuples(buffer, layout)
