"""Rows to e4m3 with a scale each, and the linear that multiplies them: what quantising costs and what it saves."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F

from benchmarks.kernels.case import COMPILED, DECOMPOSED, OURS, Case, Inputs
from kernels.rowwise_quant_fp8 import reference
from kernels.rowwise_quant_fp8.linear import Fp8Weight, fp8_linear
from kernels.rowwise_quant_fp8.op import rowwise_quant_fp8
from kernels.rowwise_quant_fp8.roofline import LinearWork, RowwiseQuantWork

LIBRARY = "bf16 linear"
TENSORWISE = "fp8, one scale"
GPU_GRID = [(1000, 1024, "none"), (1000, 1024, "rms"), (10_000, 2048, "rms"), (16_384, 4096, "silu")]
CPU_GRID = [(100, 64, "none"), (1000, 256, "rms"), (1000, 1024, "silu")]
LINEAR_GRID = [(1000, 1024, 1024), (10_000, 1024, 1024), (10_000, 2048, 2048), (16_384, 4096, 4096)]  # (N, K, H)


def cases(device: torch.device) -> Iterator[Case]:
    """The grid for this kind of device."""
    gpu = device.type == "cuda"
    for n, k, pre in GPU_GRID if gpu else CPU_GRID:
        yield _quantised(n, k, pre, torch.bfloat16 if gpu else torch.float32)


def linear_cases(device: torch.device) -> Iterator[Case]:
    """The product in fp8, which is a GPU's alone."""
    for n, k, h in LINEAR_GRID if device.type == "cuda" else []:
        yield _multiplied(n, k, h)


CASES = {"rowwise_quant_fp8": cases, "fp8_linear": linear_cases}


def _quantised(n: int, k: int, pre: str, dtype: torch.dtype) -> Case:
    compiled = torch.compile(reference.rowwise_quant_fp8)  # whole: the scales are computed and written as well

    def inputs(generator: torch.Generator, device: torch.device) -> Inputs:
        return (torch.randn(n, k, generator=generator, device=device).to(dtype),)

    def exact(x):
        y = reference.before(x.double(), pre)
        return y * (448 / y.abs().amax(1, keepdim=True))

    return Case(
        op="rowwise_quant_fp8",
        shape=f"N={n} K={k} {pre}",
        dtype=dtype,
        work=RowwiseQuantWork(n, k, pre, dtype.itemsize),
        inputs=inputs,
        providers={
            DECOMPOSED: lambda x: reference.rowwise_quant_fp8(x, pre)[0],
            COMPILED: lambda x: compiled(x, pre)[0],
            OURS: lambda x: rowwise_quant_fp8(x, pre=pre)[0],
        },
        exact=exact,
        tolerance=4e-2,  # three bits of mantissa
    )


def _multiplied(n: int, k: int, h: int) -> Case:
    def inputs(generator: torch.Generator, device: torch.device) -> Inputs:
        x = torch.randn(n, k, generator=generator, device=device).bfloat16()
        weight = (torch.randn(h, k, generator=generator, device=device) * k**-0.5).bfloat16()
        return x, weight, Fp8Weight.prepare(weight), Fp8Weight.prepare(weight, "tensorwise")

    return Case(
        op="fp8_linear",
        shape=f"N={n} K={k} H={h}",
        dtype=torch.bfloat16,
        work=LinearWork(n, k, h),
        inputs=inputs,
        providers={
            LIBRARY: lambda x, weight, *_: F.linear(x, weight),
            TENSORWISE: lambda x, _weight, _rowwise, tensorwise: fp8_linear(x, tensorwise),
            OURS: lambda x, _weight, rowwise, _tensorwise: fp8_linear(x, rowwise),
        },
        exact=lambda x, weight, *_: x.double() @ weight.double().T,
        tolerance=8e-2,
    )
