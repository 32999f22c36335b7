"""The forward pass as it is served: filled, copied in, run and copied out, beside the ranker alone.

By the host's clock, for that is what a request waits for: `ranker_forward` has the time of the device.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache

import torch

from benchmarks.kernels.case import COMPILED, OURS, Case, Inputs
from benchmarks.kernels.ops.ranker_forward import MODELS, batch_of, exact_logits, ranker_of, tensors_of, work_of
from inference.forward.arena import InputWidths
from inference.forward.buckets import bucket_for, exact_bucket
from inference.forward.forward import Forward
from inference.forward.inputs import PackedInputs
from inference.protocol import RankInputs
from kernels.graphs import capture

ALONE = "ranker alone"  # its inputs lie on the device and its results stay there; one graph on a GPU
UNPREPARED = "not prepared"  # a batch of a size that no bucket was captured for
GPU_GRID = [
    *((name, 1000, 1) for name in MODELS), ("gpu-standard", 100, 1), ("gpu-standard", 10_000, 1),
    ("gpu-standard", 2048, 16),
]  # fmt: skip
CPU_GRID = [("compact", 100, 1), ("compact", 500, 1), ("compact", 1000, 1), ("compact", 1000, 8)]


def cases(device: torch.device) -> Iterator[Case]:
    """The models of `ranker_forward`, with batches on the CPU."""
    gpu = device.type == "cuda"
    for name, n, b in GPU_GRID if gpu else CPU_GRID:
        yield _case(name, n, b, device, torch.bfloat16 if gpu else torch.float32)


@lru_cache(maxsize=2)
def _forward(name: str, n: int, b: int, device: torch.device, dtype: torch.dtype, prepared: bool) -> Forward:
    """As a server makes it when a release is loaded, of the one bucket that this case falls into."""
    widths = InputWidths.of(MODELS[name][0])
    forward = Forward(ranker_of(name, device, dtype), widths, device, dtype)
    if prepared:
        bucket = bucket_for(n, b)
        assert bucket is not None
        forward.prepare([bucket])
    return forward


def _alone(forward: Forward, batch: PackedInputs) -> Callable[[], torch.Tensor]:
    """The pass over a batch that lies on the device, and a wait for it."""
    arena = forward.arena(exact_bucket(batch.num_candidates, batch.num_requests))
    arena.fill(batch)
    arena.upload()

    def compute() -> torch.Tensor:
        return forward.probabilities(arena)

    if arena.device.type != "cuda":
        return compute
    graph, result = capture(compute)

    def replay() -> torch.Tensor:
        graph.replay()
        torch.cuda.current_stream().synchronize()
        return result

    return replay


def _compiled(name: str, device: torch.device, dtype: torch.dtype) -> Callable[..., tuple[torch.Tensor, ...]]:
    """For batches of any size, as a server has them: compiled for one size it would be compiled for each."""
    score = torch.compile(lambda batch: ranker_of(name, device, dtype).score(batch), dynamic=True)

    def provider(*given):
        outputs = score(given[-2].decoded())
        return outputs.p_click, outputs.p_conversion

    return provider


def _case(name: str, n: int, b: int, device: torch.device, dtype: torch.dtype) -> Case:
    def inputs(generator: torch.Generator, device: torch.device) -> Inputs:
        drawn = tensors_of(batch_of(MODELS[name][0], n, b, dtype, generator, device))
        wide = [t.half().float().cpu() if t.is_floating_point() else t.cpu() for t in drawn]  # as a store has them
        batch = PackedInputs.of(RankInputs(*wide))
        return *wide, batch, _alone(_forward(name, n, b, device, dtype, False), batch)

    def scored(prepared: bool) -> Callable[..., tuple[torch.Tensor, ...]]:
        def provider(*given):
            outputs = _forward(name, n, b, device, dtype, prepared).score(given[-2])
            return outputs.p_click, outputs.p_conversion

        return provider

    def exact(*given):
        batch = RankInputs(*(t.to(device) for t in given[:-2]))
        return tuple(torch.sigmoid(exact_logits(name, dtype, batch)))

    ways = {OURS: scored(True), UNPREPARED: scored(False), ALONE: lambda *given: tuple(given[-1]())}
    if device.type == "cpu":  # a GPU's passes are captured
        ways[COMPILED] = _compiled(name, device, dtype)
    return Case(
        op="served_forward",
        shape=f"{name} N={n} B={b}",
        dtype=dtype,
        work=work_of(name, n, b, dtype),
        inputs=inputs,
        providers=ways,
        exact=exact,
        tolerance=5e-2 if dtype is torch.bfloat16 else 1e-4,
    )
