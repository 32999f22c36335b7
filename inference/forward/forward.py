"""The forward pass of one ranker variant: fill, one copy in, replay, one copy out.

On a GPU the pass of every bucket is captured once as a graph: at serving sizes its kernels take microseconds each and
launching them one by one would take longer than running them. The graph reads nothing back from the device and its
only wait is for the results. On a CPU the same code runs without the capture.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from inference.forward.arena import Arena, Block, InputWidths
from inference.forward.buckets import Bucket, bucket_for, exact_bucket
from inference.forward.inputs import PackedInputs
from inference.models.ranker import Ranker
from inference.precision.recipes import by_recipes
from inference.protocol import RankOutputs
from kernels.graphs import Memory, capture


class Forward:
    """Scores batches with one variant. Not for several threads at once: a bucket's arena is one."""

    def __init__(
        self,
        ranker: Ranker,
        widths: InputWidths,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        recipes: Mapping[str, str] | None = None,
    ) -> None:
        """A copy of `ranker` on `device`, narrowed to `dtype` but for the linears that `recipes` names.

        Those are converted here, from the weights as they are, so that nothing is left to do for a capture.
        Raises ValueError for a linear or a recipe that is not known.
        """
        # A stream of its own: while the passes of a new release are captured, those of the live one go on beside them,
        # but for the moments in which PyTorch waits for the whole device: `prepare`.
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]
        with torch.cuda.stream(self._stream):
            exact = copy.deepcopy(ranker).to(device).eval().requires_grad_(False)
            self._ranker = by_recipes(exact, recipes or {}).narrow(dtype)
        self._widths, self._device, self._dtype = widths, device, dtype
        self._passes: dict[Bucket, _Pass] = {}

    def prepare(self, buckets: Sequence[Bucket]) -> None:
        """Capture these: takes seconds, so before the first request and never in one.

        PyTorch waits for the whole device before each capture and gives unused memory back, which waits for it too:
        what others launch meanwhile comes later by as much. How much has not been measured.
        """
        if not buckets:
            return
        memory = torch.cuda.graph_pool_handle() if self._device.type == "cuda" else None
        with torch.cuda.stream(self._stream):
            shared = _Shared(Block.for_any_of(buckets, self._widths, self._device), memory)
            for bucket in sorted(buckets, reverse=True):  # the largest first: the others fit into what it leaves
                self._passes[bucket] = _Pass(self, bucket, shared)

    def score(self, inputs: PackedInputs) -> RankOutputs:
        """Probabilities [N] float32 on the CPU of a batch on the CPU."""
        n, b = inputs.num_candidates, inputs.num_requests
        bucket = bucket_for(n, b)
        prepared = None if bucket is None else self._passes.get(bucket)
        with torch.cuda.stream(self._stream):
            one = prepared or _Pass(self, exact_bucket(n, b))  # of a size that nobody prepared: as it is, not captured
            p_click, p_conversion = one.run(inputs)[:, :n]
        return RankOutputs(p_click, p_conversion)

    def probabilities(self, arena: Arena) -> torch.Tensor:
        """[2, N] float32 on the device, of what was uploaded: click, and conversion given a click."""
        with torch.inference_mode():
            outputs = self._ranker.score(arena.rank_inputs(self._dtype))
            return torch.stack([outputs.p_click, outputs.p_conversion]).float()

    def arena(self, bucket: Bucket, block: Block | None = None) -> Arena:
        """New inputs of a bucket on this device, in `block` or in memory of their own."""
        return Arena(bucket, self._widths, self._device, block)


@dataclass(frozen=True, slots=True)
class _Shared:
    """What the passes of one `Forward` share, for one of them runs at a time."""

    block: Block
    memory: Memory | None  # of the graphs; None where nothing is captured


class _Pass:
    """One bucket: its arena, the captured pass over it, and where its results come to."""

    def __init__(self, forward: Forward, bucket: Bucket, shared: _Shared | None = None) -> None:
        """Captured where there is `shared` memory to capture in, else run as it is."""
        self._arena = arena = forward.arena(bucket, shared.block if shared else None)

        def compute() -> torch.Tensor:  # not over `self`: device memory must not wait for the cyclic collector
            return forward.probabilities(arena)

        memory = shared.memory if shared else None
        self._replay = compute if memory is None else _captured(compute, memory)
        self._results = torch.zeros(2, bucket.candidates, pin_memory=self._arena.device.type == "cuda")

    def run(self, inputs: PackedInputs) -> torch.Tensor:
        """[2, candidates of the bucket] on the host; the caller's copy."""
        self._arena.fill(inputs)
        self._arena.upload()
        self._results.copy_(self._replay(), non_blocking=True)
        if self._results.is_pinned():
            torch.cuda.current_stream().synchronize()
        return self._results.clone()


def _captured(compute: Callable[[], torch.Tensor], memory: Memory) -> Callable[[], torch.Tensor]:
    """`compute` as a graph; the result is always the same tensor."""
    graph, result = capture(compute, memory)

    def replay() -> torch.Tensor:
        graph.replay()
        return result

    return replay
