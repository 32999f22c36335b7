"""The Triton form: codes to ids and half floats to floats in one launch."""

import torch
import triton
import triton.language as tl

from kernels.checks import contiguous_rows
from kernels.compact_tuples.layout import ALIGNMENT, TupleLayout
from kernels.compact_tuples.reference import views

BLOCK = 1024
NUM_WARPS = 4


@triton.jit
def unpack_tuples_fwd_kernel(
    dictionary, codes, weights, ids_out, weights_out, n, SHORT: tl.constexpr, WEIGHTED: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """ids_out[i] = dictionary[codes[i]], weights_out[i] = weights[i], one program per block of tuples."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    code = tl.load(codes + at, inside, other=0).to(tl.int32)
    if SHORT:
        code = code & 0xFFFF  # stored without a sign
    tl.store(ids_out + at, tl.load(dictionary + code, inside, other=0), inside)
    if WEIGHTED:
        tl.store(weights_out + at, tl.load(weights + at, inside, other=0.0).to(tl.float32), inside)


def unpack_tuples_triton(
    buffer: torch.Tensor, layout: TupleLayout, block: int = BLOCK
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """See `op.unpack_tuples`, which checks."""
    assert contiguous_rows(buffer)
    assert buffer.data_ptr() % ALIGNMENT == 0
    offsets, dictionary, codes, weights = views(buffer, layout)
    n, weighted = layout.num_tuples, layout.weighted
    ids = torch.empty(n, dtype=torch.int64, device=buffer.device)
    floats = torch.empty(n if weighted else 0, dtype=torch.float32, device=buffer.device)
    if n:
        unpack_tuples_fwd_kernel[(triton.cdiv(n, block),)](
            dictionary, codes, weights, ids, floats, n,
            SHORT=layout.code_bytes == 2, WEIGHTED=weighted, BLOCK=block, num_warps=NUM_WARPS,
        )  # fmt: skip
    return offsets, ids, floats if weighted else None
