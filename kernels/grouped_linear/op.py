"""The op: checks, then the form that is fastest for these widths."""

from collections.abc import Sequence

import torch

from kernels.backend import use_triton
from kernels.checks import check_tensor
from kernels.grouped_linear import reference
from kernels.grouped_linear.packed import PackedLinears, alike

FILLS_A_GPU = 1024 * 1024  # weights of one group: alone it keeps every multiprocessor busy, and the library is best


def grouped_linear(x: torch.Tensor, packed: PackedLinears) -> torch.Tensor:
    """Group g of the outputs is `act_g(x_g @ W_g.T + b_g)`, where x_g are the next K_g columns of `x`.

    `x` [N, sum K_g] of the dtype of the packed weights (float32, float16, bfloat16; see `PackedLinears.pack`)
    -> [N, sum H_g] of that dtype, the groups' outputs side by side, accumulated in float32. The groups are independent:
    it is a linear whose matrix is block diagonal, computed without its zeros. Source: horizontal fusion, as in Meta's
    Adaptive Ranking Model. Raises ValueError on a shape, dtype or device that does not fit.
    """
    check_tensor("x", x, (-1, sum(packed.widths_in)), (packed.weight.dtype,), packed.weight.device)
    if fuses(packed.widths_in, packed.widths_out) and use_triton(x, packed.weight, packed.bias):
        from kernels.grouped_linear.kernel import grouped_linear_triton

        return grouped_linear_triton(x, packed)
    return reference.grouped_linear(x, packed)


def fuses(widths_in: Sequence[int], widths_out: Sequence[int]) -> bool:
    """Whether the Triton form is meant for these widths; else the library has a better one.

    One group is a linear and equal groups are one batched product. Where a group is large, one library call per group
    is: the fusion saves launches, which then cost nothing beside the work.
    """
    return (
        not alike(widths_in, widths_out)
        and max(k * h for k, h in zip(widths_in, widths_out, strict=True)) < FILLS_A_GPU
    )
