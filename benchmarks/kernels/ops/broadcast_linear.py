"""A linear over [request ; candidate]: expanded, decomposed, compiled, ours."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F

from benchmarks.kernels.case import COMPILED, DECOMPOSED, EXPANDED, OURS, Case, Inputs
from kernels.broadcast_linear import reference
from kernels.broadcast_linear.op import broadcast_linear
from kernels.broadcast_linear.roofline import BroadcastLinearWork

# (N, K candidate, K request, H, B)
GPU_GRID = [
    (100, 1024, 3072, 1024, 1), (1000, 256, 768, 1024, 1), (1000, 1024, 3072, 1024, 1), (2048, 512, 1536, 2048, 32),
    (10_000, 256, 768, 1024, 1), (10_000, 1024, 3072, 1024, 1), (10_000, 2048, 6144, 2048, 1),
    (16_384, 2048, 2048, 2048, 64),
]  # fmt: skip
CPU_GRID = [(100, 64, 192, 128, 1), (1000, 64, 192, 128, 1), (1000, 64, 192, 128, 8), (4096, 256, 768, 256, 4)]


def cases(device: torch.device) -> Iterator[Case]:
    """The grid for this kind of device."""
    gpu = device.type == "cuda"
    for n, k, k_request, h, b in GPU_GRID if gpu else CPU_GRID:
        yield _case(n, k, k_request, h, b, torch.bfloat16 if gpu else torch.float32)


def _case(n: int, k: int, k_request: int, h: int, b: int, dtype: torch.dtype) -> Case:
    def inputs(generator: torch.Generator, device: torch.device) -> Inputs:
        def normal(*shape: int, scale: float = 1.0) -> torch.Tensor:
            return (torch.randn(*shape, generator=generator, device=device) * scale).to(dtype)

        index = (torch.arange(n, device=device) * b // n).to(torch.int32)
        scale = (k + k_request) ** -0.5
        return normal(n, k), normal(b, k_request), normal(h, k, scale=scale), normal(h, k_request, scale=scale), index

    def expanded(x, x_request, weight, weight_request, index):
        both = torch.cat([x, x_request.index_select(0, index)], dim=1)
        return F.linear(both, torch.cat([weight, weight_request], dim=1))

    def decomposed(x, x_request, weight, weight_request, index):
        return reference.broadcast_linear(x, weight, F.linear(x_request, weight_request), index)

    def ours(x, x_request, weight, weight_request, index):
        return broadcast_linear(x, weight, F.linear(x_request, weight_request), index)

    def exact(x, x_request, weight, weight_request, index):
        request = x_request.double() @ weight_request.double().T
        return x.double() @ weight.double().T + request[index.long()]

    return Case(
        op="broadcast_linear",
        shape=f"N={n} K={k} K_request={k_request} H={h} B={b}",
        dtype=dtype,
        work=BroadcastLinearWork(n, k, h, b, dtype.itemsize),
        inputs=inputs,
        providers={EXPANDED: expanded, DECOMPOSED: decomposed, COMPILED: torch.compile(decomposed), OURS: ours},
        exact=exact,
        tolerance=5e-3 if dtype is torch.bfloat16 else 1e-5,
    )
