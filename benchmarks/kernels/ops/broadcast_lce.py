"""Linear compression of embeddings over [request ; candidate]: expanded, decomposed, compiled, ours in every tile."""

from collections.abc import Callable, Iterator

import torch

from benchmarks.kernels.case import COMPILED, DECOMPOSED, EXPANDED, OURS, Case, Inputs
from benchmarks.kernels.random_inputs import even_shares, normals
from kernels.broadcast_lce import reference
from kernels.broadcast_lce.config import TRIALS
from kernels.broadcast_lce.op import broadcast_lce
from kernels.broadcast_lce.roofline import BroadcastLceWork
from kernels.broadcast_lce.weights import prepare_lce_weights

# (N, M, d, K candidate, K request, B); the first is the published shape, odd as it was published
GPU_GRID = [
    (1024, 433, 256, 866, 1178, 15), (1024, 448, 256, 880, 1184, 16), (1000, 256, 128, 256, 768, 1),
    (4096, 256, 128, 256, 768, 4), (10_000, 128, 64, 128, 384, 1), (10_000, 256, 128, 256, 768, 1),
    *((1024, 448, 256, 880, 1184, b) for b in (1, 102, 512, 1024)),  # candidates a request: 1000, 10, 2, 1
]  # fmt: skip
CPU_GRID = [(100, 32, 32, 32, 96, 1), (1000, 32, 32, 32, 96, 1), (1000, 32, 32, 32, 96, 8), (256, 64, 64, 128, 384, 4)]


def cases(device: torch.device) -> Iterator[Case]:
    """The grid for this kind of device."""
    gpu = device.type == "cuda"
    for n, m, d, k, k_request, b in GPU_GRID if gpu else CPU_GRID:
        yield _case(n, m, d, k, k_request, b, torch.bfloat16 if gpu else torch.float32, gpu)


def _case(n: int, m: int, d: int, k: int, k_request: int, b: int, dtype: torch.dtype, gpu: bool) -> Case:
    def inputs(generator: torch.Generator, device: torch.device) -> Inputs:
        normal = normals(generator, device, dtype)
        index = even_shares(n, b, device)
        weight = normal(m, k_request + k, scale=(k + k_request) ** -0.5)
        return normal(n, k, d), normal(b, k_request, d), weight, prepare_lce_weights(weight, k_request), index

    def expanded(x, x_request, weight, weights, index):
        return torch.matmul(weight, torch.cat([x_request.index_select(0, index), x], dim=1))

    def decomposed(x, x_request, weight, weights, index):
        request = torch.matmul(weight[:, :k_request], x_request)
        return torch.matmul(weight[:, k_request:], x) + request.index_select(0, index)

    def aligned(x, x_request, weight, weights, index):
        return reference.broadcast_lce(x, weights.candidate, torch.matmul(weights.request, x_request), index)

    def with_form(form: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        def provider(x, x_request, weight, weights, index):
            return form(x, weights.candidate, torch.matmul(weights.request, x_request), index)

        return provider

    def exact(x, x_request, weight, weights, index):
        request = weight[:, :k_request].double() @ x_request.double()
        out = torch.empty(n, m, d, dtype=torch.float64, device=x.device)
        for start in range(0, n, 256):  # the embeddings in float64 are four times as large as in bfloat16
            some = slice(start, start + 256)
            out[some] = weight[:, k_request:].double() @ x[some].double() + request[index[some].long()]
        return out

    trials = {f"{OURS}, {name}": with_form(form) for name, form in (_trials(d) if gpu else {}).items()}
    if gpu:  # on a CPU that is ours
        trials["eager, decomposed, aligned"] = aligned
    return Case(
        op="broadcast_lce",
        shape=f"N={n} M={m} d={d} K={k} K_request={k_request} B={b}",
        dtype=dtype,
        work=BroadcastLceWork(n, m, d, k, b, dtype.itemsize),
        inputs=inputs,
        providers={
            EXPANDED: expanded,
            DECOMPOSED: decomposed,
            COMPILED: torch.compile(aligned),
            OURS: with_form(broadcast_lce),
            **trials,
        },
        exact=exact,
        tolerance=5e-3 if dtype is torch.bfloat16 else 1e-5,
    )


def _trials(d: int) -> dict[str, Callable[..., torch.Tensor]]:
    from kernels.broadcast_lce.kernel import broadcast_lce_triton

    def tiled(config):
        return lambda x, weight, request, index: broadcast_lce_triton(x, weight, request, index, config)

    fitting = {name: c for name, c in TRIALS.items() if d % c.features == 0}
    return {name: tiled(config) for name, config in fitting.items()}
