"""The definition, in plain PyTorch: any device. Offsets and dictionary are views of the buffer."""

import torch

from kernels.compact_tuples.layout import TupleLayout


def views(buffer: torch.Tensor, layout: TupleLayout) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Offsets int32 [M + 1], dictionary int64 [U], codes int16 or int32 [T] (as stored), weights float16 [T] or [0]."""
    parts = layout.parts()
    code = torch.int16 if layout.code_bytes == 2 else torch.int32
    return (
        buffer[parts["offsets"]].view(torch.int32),
        buffer[parts["dictionary"]].view(torch.int64),
        buffer[parts["codes"]].view(code),
        buffer[parts["weights"]].view(torch.float16),
    )


def unpack_tuples(buffer: torch.Tensor, layout: TupleLayout) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Offsets, ids and weights; see `op.unpack_tuples`."""
    offsets, dictionary, codes, weights = views(buffer, layout)
    if layout.code_bytes == 2:
        codes = codes.to(torch.int32) & 0xFFFF
    return offsets, dictionary.index_select(0, codes), weights.float() if layout.weighted else None
