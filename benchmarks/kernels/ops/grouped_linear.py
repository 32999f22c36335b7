"""Many small linears over the same rows: one after the other, compiled, as one padded batched product, ours."""

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F

from benchmarks.kernels.case import COMPILED, DECOMPOSED, OURS, Case, Inputs
from benchmarks.kernels.random_inputs import normals
from kernels.grouped_linear.op import grouped_linear
from kernels.grouped_linear.packed import PackedLinears
from kernels.grouped_linear.roofline import GroupedLinearWork

PADDED = (
    "padded bmm"  # the library's one call: every group as wide as the widest, its rows gathered and its outputs too
)
DENSE = "dense block diagonal"  # one product with all the zeros; on a CPU alone, a GPU's grid would not fit
KINDS = {
    "64": [(64, 64)],
    "32..256": [(32, 256), (64, 128), (128, 64), (256, 32)],
    "128,64,32": [(128, 64), (64, 32), (32, 128)],
}
GPU_GRID = [(n, g, kind) for n in (256, 1000, 4096) for g in (16, 64) for kind in KINDS]
CPU_GRID = [(100, 16, "64"), (100, 16, "128,64,32"), (1000, 16, "64"), (1000, 16, "32..256"), (1000, 16, "128,64,32")]


def cases(device: torch.device) -> Iterator[Case]:
    """The grid for this kind of device."""
    gpu = device.type == "cuda"
    for n, g, kind in GPU_GRID if gpu else CPU_GRID:
        shapes = [KINDS[kind][i % len(KINDS[kind])] for i in range(g)]
        yield _case(n, kind, shapes, torch.bfloat16 if gpu else torch.float32)


def _case(n: int, kind: str, shapes: Sequence[tuple[int, int]], dtype: torch.dtype) -> Case:
    widths_in, widths_out = [k for k, _ in shapes], [h for _, h in shapes]
    deepest, widest, g = max(widths_in), max(widths_out), len(shapes)

    def inputs(generator: torch.Generator, device: torch.device) -> Inputs:
        normal = normals(generator, device, dtype)
        weights = [normal(h, k, scale=k**-0.5) for k, h in shapes]
        biases = [normal(h) for h in widths_out]
        padded = torch.stack([F.pad(w, (0, deepest - w.shape[1], 0, widest - w.shape[0])).T for w in weights])
        into = _slots(widths_in, deepest, device)
        gather = torch.full((g * deepest,), sum(widths_in), device=device)  # the column of zeros
        gather[into] = torch.arange(sum(widths_in), device=device)
        back = _slots(widths_out, widest, device)
        packed = PackedLinears.pack(weights, biases, "silu")
        dense = None if device.type == "cuda" else torch.block_diag(*weights)
        return normal(n, sum(widths_in)), packed, weights, biases, padded, gather, back, dense

    def decomposed(x, _packed, weights, biases, *_):
        parts = zip(x.split(widths_in, dim=1), weights, biases, strict=True)
        return F.silu(torch.cat([F.linear(part, weight, bias) for part, weight, bias in parts], dim=1))

    def dense(x, packed, *others):
        return F.silu(F.linear(x, others[-1], packed.bias))

    def padded_bmm(x, packed, _weights, _biases, padded, gather, back, _dense):
        blocks = F.pad(x, (0, 1)).index_select(1, gather).view(n, g, deepest).transpose(0, 1)
        y = torch.bmm(blocks, padded).transpose(0, 1).reshape(n, g * widest).index_select(1, back)
        return F.silu(y + packed.bias)

    def ours(x, packed, *_):
        return grouped_linear(x, packed)

    def exact(x, _packed, weights, biases, *_):
        parts = zip(x.double().split(widths_in, dim=1), weights, biases, strict=True)
        return F.silu(torch.cat([part @ w.double().T + b.double() for part, w, b in parts], dim=1))

    providers = {DECOMPOSED: decomposed, COMPILED: torch.compile(decomposed), PADDED: padded_bmm, OURS: ours}
    return Case(
        op="grouped_linear",
        shape=f"N={n} groups={g} widths={kind}",
        dtype=dtype,
        work=GroupedLinearWork(n, widths_in, widths_out, dtype.itemsize),
        inputs=inputs,
        providers=providers | ({DENSE: dense} if dtype is torch.float32 else {}),
        exact=exact,
        tolerance=5e-3 if dtype is torch.bfloat16 else 1e-5,
    )


def _slots(widths: Sequence[int], stride: int, device: torch.device) -> torch.Tensor:
    """Where each column stands when every group begins at a multiple of `stride`."""
    return torch.cat([torch.arange(width) + g * stride for g, width in enumerate(widths)]).to(device)
