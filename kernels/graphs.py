"""CUDA graphs, captured from any thread, and times by the device's own clock."""

import threading
from collections.abc import Callable
from typing import TypeVar

import torch

T = TypeVar("T")
Memory = tuple[int, int]  # of graphs: PyTorch's handle of a pool

WARM_UPS = 3  # calls before a capture: libraries choose their algorithms and allocate their workspaces
CAPTURING = threading.Lock()  # PyTorch allows one capture at a time in a process


def capture(compute: Callable[[], T], memory: Memory | None = None) -> tuple[torch.cuda.CUDAGraph, T]:
    """`compute` as a graph over the tensors that it reads now, and its result: replays fill the same tensors anew.

    From any thread, also while others compute: a capture waits for the one under way in another thread. Graphs that
    share `memory` never run at the same time, nor do those that were captured on one stream: a library's workspace
    belongs to a stream. On the default stream nothing can be captured; there each graph has a stream of its own.
    """
    with CAPTURING:
        current = torch.cuda.current_stream()
        stream = current if current != torch.cuda.default_stream() else torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(current)
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                compute()
        graph = torch.cuda.CUDAGraph()
        # Not PyTorch's own stream for captures: two releases would share a workspace and may run side by side.
        with torch.cuda.graph(graph, pool=memory, stream=stream, capture_error_mode="thread_local"):  # type: ignore[arg-type]
            result = compute()
        current.wait_stream(stream)
        return graph, result


def device_seconds(call: Callable[[], object]) -> float:
    """How long the device takes for all that `call` launches."""
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    torch.cuda.synchronize()
    begin.record()
    call()
    end.record()
    torch.cuda.synchronize()
    return float(begin.elapsed_time(end)) / 1000
