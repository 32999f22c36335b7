"""The op: checks, then the form that is fastest for these tensors."""

import torch

from kernels.backend import use_triton
from kernels.checks import FLOATS, check_tensor
from kernels.hamming import WORD_BITS
from kernels.simhash_pack import reference


def simhash_pack(x: torch.Tensor, proj: torch.Tensor) -> torch.Tensor:
    """Signatures whose Hamming distance estimates the angle: `E[distance] = bits * angle / pi`.

    `x` [n, D] vectors, `proj` [bits, D] fixed random directions of the same dtype (float32, float16, bfloat16), bits a
    multiple of 32 -> [n, bits / 32] int32: bit j of word i says whether `x @ proj[32 i + j] > 0`, in float32. A
    product within rounding of zero may fall on either side, so all signatures of a release come from one dtype.
    Source: Charikar's SimHash, as in ETA and AIF. Raises ValueError on a shape, dtype or device that does not fit.
    """
    check_tensor("x", x, (-1, -1), FLOATS, None)
    check_tensor("proj", proj, (-1, x.shape[1]), (x.dtype,), x.device)
    if proj.shape[0] % WORD_BITS or not proj.shape[0]:
        raise ValueError(f"proj has {proj.shape[0]} rows; allowed are multiples of {WORD_BITS}")
    if use_triton(x, proj):
        from kernels.simhash_pack.kernel import simhash_pack_triton

        return simhash_pack_triton(x, proj)
    return reference.simhash_pack(x, proj)
