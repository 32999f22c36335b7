"""A linear over [request ; candidate]: expanded, decomposed, compiled, ours, and ours in every form and tile."""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F

from benchmarks.kernels.case import COMPILED, DECOMPOSED, EXPANDED, OURS, Case, Inputs
from benchmarks.kernels.random_inputs import even_shares, normals
from kernels.broadcast_linear import reference
from kernels.broadcast_linear.config import TRIALS
from kernels.broadcast_linear.epilogue import BlockNorm, Cross, Epilogue
from kernels.broadcast_linear.normed import fold_norm, normed_parts
from kernels.broadcast_linear.op import broadcast_linear, broadcast_linear_fp8
from kernels.broadcast_linear.roofline import BroadcastLinearWork

# (N, K candidate, K request, H, B)
Shape = tuple[int, int, int, int, int]
GPU_GRID: list[Shape] = [
    (100, 1024, 3072, 1024, 1), (1000, 256, 768, 1024, 1), (1000, 1024, 3072, 1024, 1), (2048, 512, 1536, 2048, 32),
    (10_000, 256, 768, 1024, 1), (10_000, 1024, 3072, 1024, 1), (10_000, 2048, 6144, 2048, 1),
    (16_384, 2048, 2048, 2048, 64),
]  # fmt: skip
CPU_GRID: list[Shape] = [
    (100, 64, 192, 128, 1), (1000, 64, 192, 128, 1), (1000, 64, 192, 128, 8), (4096, 256, 768, 256, 4),
]  # fmt: skip
GPU_FINISHED: list[Shape] = [(10_000, 512, 1536, 512, 8)]
CPU_FINISHED: list[Shape] = [(1000, 64, 192, 256, 8)]
FINISHES = ("silu", "cross", "blocknorm")


def cases(device: torch.device) -> Iterator[Case]:
    """The grid for this kind of device."""
    gpu = device.type == "cuda"
    dtype = torch.bfloat16 if gpu else torch.float32
    for shape in GPU_GRID if gpu else CPU_GRID:
        yield _case(shape, "none", dtype, gpu)
    for shape in GPU_FINISHED if gpu else CPU_FINISHED:
        for finish in FINISHES:
            yield _case(shape, finish, dtype, gpu)
        yield _normed_case(shape, dtype)
    if gpu:
        yield _fp8_case((16_384, 2048, 2048, 2048, 64))


def _case(shape: Shape, finish: str, dtype: torch.dtype, gpu: bool) -> Case:
    n, k, k_request, h, b = shape
    activation = {"silu": "silu", "blocknorm": "hardswish"}.get(finish, "none")

    def inputs(generator: torch.Generator, device: torch.device) -> Inputs:
        normal = normals(generator, device, dtype)
        weight = normal(h, k_request + k, scale=(k + k_request) ** -0.5)
        x, x_request = normal(n, k), normal(b, k_request)
        beside = [normal(n, h) for _ in range(2 if finish == "cross" else 0)]
        parts = weight[:, k_request:].contiguous(), weight[:, :k_request].contiguous()
        return x, x_request, weight, *parts, even_shares(n, b, device), *beside

    def epilogue(beside: tuple[torch.Tensor, ...]) -> Epilogue | None:
        return Cross(*beside) if finish == "cross" else BlockNorm() if finish == "blocknorm" else None

    def expanded(x, x_request, whole, weight, weight_request, index, *beside):
        both = torch.cat([x_request.index_select(0, index), x], dim=1)
        return reference.finish(F.linear(both, whole), activation, epilogue(beside)).to(dtype)

    def with_form(form: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        def provider(x, x_request, whole, weight, weight_request, index, *beside):
            request = F.linear(x_request, weight_request)
            return form(x, weight, request, index, activation=activation, epilogue=epilogue(beside))

        return provider

    def exact(x, x_request, whole, weight, weight_request, index, *beside):
        y = (x_request.double() @ weight_request.double().T)[index.long()] + x.double() @ weight.double().T
        return reference.finish(y, activation, epilogue(beside))

    decomposed = with_form(reference.broadcast_linear)
    providers = {EXPANDED: expanded, DECOMPOSED: decomposed, COMPILED: torch.compile(decomposed)}
    providers[OURS] = with_form(broadcast_linear)
    if gpu and finish == "none":  # which form and which tile win where: the constants of dispatch.py and config.py
        providers |= {f"{OURS}, {name}": with_form(form) for name, form in _forms().items()}
    return Case(
        op="broadcast_linear",
        shape=f"N={n} K={k} K_request={k_request} H={h} B={b}" + (f" {finish}" if finish != "none" else ""),
        dtype=dtype,
        work=BroadcastLinearWork(n, k, h, b, dtype.itemsize, 2 if finish == "cross" else 0),
        inputs=inputs,
        providers=providers,
        exact=exact,
        tolerance=1e-2 if dtype is torch.bfloat16 else 1e-5,  # eager forms round the product before they finish it
    )


def _normed_case(shape: Shape, dtype: torch.dtype) -> Case:
    n, k, k_request, h, b = shape

    def inputs(generator: torch.Generator, device: torch.device) -> Inputs:
        width = k_request + k
        normal = normals(generator, device, dtype)
        weight, gamma = normal(h, width, scale=width**-0.5), normal(width)
        x, x_request = normal(n, k), normal(b, k_request)
        return x, x_request, weight, gamma, fold_norm(weight, k_request, gamma), even_shares(n, b, device)

    def expanded(x, x_request, weight, gamma, folded, index):
        both = torch.cat([x_request.index_select(0, index), x], dim=1)
        return F.linear(F.layer_norm(both, both.shape[1:], gamma), weight)

    def decomposed(x, x_request, weight, gamma, folded, index):
        request, epilogue = normed_parts(x, x_request, folded, index)
        return reference.broadcast_linear(x, folded.candidate, request, index, "none", epilogue)

    def ours(x, x_request, weight, gamma, folded, index):
        request, epilogue = normed_parts(x, x_request, folded, index)
        return broadcast_linear(x, folded.candidate, request, index, epilogue=epilogue)

    def exact(x, x_request, weight, gamma, folded, index):
        both = torch.cat([x_request.index_select(0, index), x], dim=1).double()
        return F.linear(F.layer_norm(both, both.shape[1:], gamma.double()), weight.double())

    return Case(
        op="broadcast_linear",
        shape=f"N={n} K={k} K_request={k_request} H={h} B={b} layernorm",
        dtype=dtype,
        work=BroadcastLinearWork(n, k, h, b, dtype.itemsize),
        inputs=inputs,
        providers={EXPANDED: expanded, DECOMPOSED: decomposed, COMPILED: torch.compile(decomposed), OURS: ours},
        exact=exact,
        tolerance=1e-2 if dtype is torch.bfloat16 else 1e-5,  # gamma folded into rounded weights
    )


def _fp8_case(shape: Shape) -> Case:
    n, k, _, h, b = shape

    def quantised(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scale = values.float().abs().amax(1) / 448.0
        return (values.float() / scale[:, None]).to(torch.float8_e4m3fn), scale

    def inputs(generator: torch.Generator, device: torch.device) -> Inputs:
        normal = normals(generator, device, torch.bfloat16)
        x, weight, request = normal(n, k), normal(h, k, scale=k**-0.5), normal(b, h)
        return *quantised(x), *quantised(weight), request, even_shares(n, b, device), x, weight

    def library(x, x_scale, weight, weight_scale, request, index, *wide):
        y = torch._scaled_mm(x, weight.T, x_scale[:, None], weight_scale[None, :], out_dtype=torch.bfloat16)
        return y + request.index_select(0, index)

    def bfloat16(x, x_scale, weight, weight_scale, request, index, x_wide, weight_wide):
        return reference.broadcast_linear(x_wide, weight_wide, request, index)

    def ours(x, x_scale, weight, weight_scale, request, index, *wide):
        return broadcast_linear_fp8(x, x_scale, weight, weight_scale, request, index)

    def exact(x, x_scale, weight, weight_scale, request, index, *wide):
        product = x.double() @ weight.double().T * x_scale.double()[:, None] * weight_scale.double()
        return product + request.double()[index.long()]

    return Case(
        op="broadcast_linear",
        shape=f"N={n} K={k} H={h} B={b} fp8",
        dtype=torch.float8_e4m3fn,
        work=BroadcastLinearWork(n, k, h, b, 1, 0, 2),
        inputs=inputs,
        providers={"_scaled_mm, gather": library, COMPILED: torch.compile(library), "bfloat16": bfloat16, OURS: ours},
        exact=exact,
        tolerance=5e-2,  # bfloat16 is not of the quantised numbers
    )


def _forms() -> dict[str, Callable[..., torch.Tensor]]:
    from kernels.broadcast_linear.kernel import broadcast_linear_triton, finish_triton

    def split(x, weight, request, index, activation, epilogue):
        return finish_triton(F.linear(x, weight), request, index, activation, epilogue)

    def tiled(config):
        def form(x, weight, request, index, activation, epilogue):
            return broadcast_linear_triton(x, weight, request, index, activation, epilogue, config=config)

        return form

    return {"fused": tiled(None), "split": split, **{name: tiled(config) for name, config in TRIALS.items()}}
