"""A factorisation machine's block over [request ; candidate], the candidate's rows of it and all: every way."""

from collections.abc import Callable, Iterator

import torch

from benchmarks.kernels.case import COMPILED, DECOMPOSED, EXPANDED, OURS, Case, Inputs, Outputs
from benchmarks.kernels.random_inputs import even_shares, normals
from kernels.fm_broadcast import reference
from kernels.fm_broadcast.op import fm_broadcast, fm_broadcast_both
from kernels.fm_broadcast.roofline import FmBroadcastWork

# (N, embeddings of a candidate, of a request, d, rank, B)
GPU_GRID = [
    (1000, 64, 192, 128, 32, 1), (10_000, 64, 192, 128, 32, 1), (10_000, 32, 96, 64, 16, 1),
    (2048, 128, 384, 128, 64, 1), (10_000, 8, 96, 64, 16, 1), (10_000, 32, 96, 64, 16, 64),
]  # fmt: skip
CPU_GRID = [(100, 32, 96, 64, 16, 1), (1000, 32, 96, 64, 16, 1), (1000, 32, 96, 64, 16, 8), (1000, 8, 24, 16, 8, 1)]
GPU_BOTH = [(1000, 64, 192, 128, 32, 1), (10_000, 32, 96, 64, 16, 1), (10_000, 32, 96, 64, 16, 64)]
CPU_BOTH = [(100, 32, 96, 64, 16, 1), (1000, 32, 96, 64, 16, 8), (1000, 8, 24, 16, 8, 1)]


def cases(device: torch.device) -> Iterator[Case]:
    """The grid for this kind of device."""
    gpu = device.type == "cuda"
    for n, nc, nu, d, k, b in GPU_GRID if gpu else CPU_GRID:
        yield _case(n, nc, nu, d, k, b, torch.bfloat16 if gpu else torch.float32, gpu)


def both_cases(device: torch.device) -> Iterator[Case]:
    """All rows of the block, the request's as well."""
    gpu = device.type == "cuda"
    for n, nc, nu, d, k, b in GPU_BOTH if gpu else CPU_BOTH:
        yield _both_case(n, nc, nu, d, k, b, torch.bfloat16 if gpu else torch.float32)


CASES = {"fm_broadcast": cases, "fm_broadcast_both": both_cases}


def _request_part(x_request, y_request):
    return torch.matmul(x_request.transpose(1, 2), y_request)


def _drawn(n: int, nc: int, nu: int, d: int, k: int, b: int, dtype: torch.dtype) -> Callable[..., Inputs]:
    def inputs(generator: torch.Generator, device: torch.device) -> Inputs:
        normal = normals(generator, device, dtype)
        index = even_shares(n, b, device)
        y = normal(nu + nc, k, scale=(nu + nc) ** -0.5)
        return normal(n, nc, d), normal(b, nu, d), y[nu:], y[:nu], index

    return inputs


def _case(n: int, nc: int, nu: int, d: int, k: int, b: int, dtype: torch.dtype, gpu: bool) -> Case:
    def expanded(x, x_request, y, y_request, index):
        both = torch.cat([x_request.index_select(0, index), x], dim=1)
        return torch.matmul(x, torch.matmul(both.transpose(1, 2), torch.cat([y_request, y])))

    def with_form(form: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        def provider(x, x_request, y, y_request, index):
            return form(x, y, _request_part(x_request, y_request), index)

        return provider

    def exact(x, x_request, y, y_request, index):
        request = _request_part(x_request.double(), y_request.double())
        out = torch.empty(n, nc, k, dtype=torch.float64, device=x.device)
        for start in range(0, n, 1024):  # float64 is four times as large as bfloat16
            some = slice(start, start + 1024)
            c = x[some].double()
            out[some] = c @ (c.transpose(1, 2) @ y.double() + request[index[some].long()])
        return out

    decomposed = with_form(reference.fm_broadcast)
    providers = {EXPANDED: expanded, DECOMPOSED: decomposed, COMPILED: torch.compile(decomposed)}
    return Case(
        op="fm_broadcast",
        shape=f"N={n} nc={nc} nu={nu} d={d} k={k} B={b}",
        dtype=dtype,
        work=FmBroadcastWork(n, nc, d, k, b, itemsize=dtype.itemsize),
        inputs=_drawn(n, nc, nu, d, k, b, dtype),
        providers={**providers, OURS: with_form(fm_broadcast), **_other_forms(gpu, nc, with_form)},
        exact=exact,
        tolerance=1e-2 if dtype is torch.bfloat16 else 1e-5,  # the inner product is rounded as well
    )


def _both_case(n: int, nc: int, nu: int, d: int, k: int, b: int, dtype: torch.dtype) -> Case:
    def expanded(x, x_request, y, y_request, index):
        both = torch.cat([x_request.index_select(0, index), x], dim=1)
        rows = torch.matmul(both, torch.matmul(both.transpose(1, 2), torch.cat([y_request, y])))
        return rows[:, nu:], rows[:, :nu]

    def with_form(form: Callable[..., Outputs]) -> Callable[..., Outputs]:
        def provider(x, x_request, y, y_request, index):
            return form(x, y, _request_part(x_request, y_request), x_request, index)

        return provider

    def exact(x, x_request, y, y_request, index):
        parts = [torch.empty(n, rows, k, dtype=torch.float64, device=x.device) for rows in (nc, nu)]
        for start in range(0, n, 1024):
            some = slice(start, start + 1024)
            found = expanded(x[some].double(), x_request.double(), y.double(), y_request.double(), index[some])
            for part, rows in zip(parts, found, strict=True):
                part[some] = rows
        return tuple(parts)

    decomposed = with_form(reference.fm_broadcast_both)
    return Case(
        op="fm_broadcast_both",
        shape=f"N={n} nc={nc} nu={nu} d={d} k={k} B={b}",
        dtype=dtype,
        work=FmBroadcastWork(n, nc, d, k, b, nu, dtype.itemsize),
        inputs=_drawn(n, nc, nu, d, k, b, dtype),
        providers={
            EXPANDED: expanded,
            DECOMPOSED: decomposed,
            COMPILED: torch.compile(decomposed),
            OURS: with_form(fm_broadcast_both),
        },
        exact=exact,
        tolerance=1e-2 if dtype is torch.bfloat16 else 1e-5,
    )


def _other_forms(gpu: bool, nc: int, with_form) -> dict[str, Callable[..., torch.Tensor]]:
    """One candidate at a time where ours packs several: what packing is worth."""
    if not gpu or nc > 32:
        return {}
    from kernels.fm_broadcast.kernel import SINGLE, fm_broadcast_triton

    def single(x, y, request, index):
        return fm_broadcast_triton(x, y, request, index, SINGLE["single"])

    return {f"{OURS}, one candidate a tile": with_form(single)}
