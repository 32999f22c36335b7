"""The definition, in plain PyTorch: any floating dtype, any device."""

import torch
import torch.nn.functional as F

from kernels.hamming import pack_bits


def simhash_pack(x: torch.Tensor, proj: torch.Tensor) -> torch.Tensor:
    """Bit j is `x @ proj[j] > 0`; see `op.simhash_pack`."""
    return pack_bits(F.linear(x, proj) > 0)
