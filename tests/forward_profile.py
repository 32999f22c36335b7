"""`python -m tests.forward_profile [MODEL] [--candidates N] [--requests B]`: what a forward pass would do on a GPU.

Counted on a fake one: how often each kind of kernel is launched, what it reads and writes, and what that takes at the
least by the data sheet of an H200. A prediction, to see what is worth fusing; `benchmarks/kernels/gpu.sh` measures.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from benchmarks.kernels.ops.ranker_forward import MODELS, batch_of, ranker_of, work_of
from kernels.hopper import DATASHEET_BYTES_PER_S, DATASHEET_FLOPS_PER_S
from tests.fake_gpu import CUDA, Launch, fake_gpu
from tests.rehearsal import rankers_without_weights

# What large products and copies are known to reach; no run of ours has measured it.
FLOPS_PER_S, BYTES_PER_S = 0.8 * DATASHEET_FLOPS_PER_S[2], 0.9 * DATASHEET_BYTES_PER_S
KINDS = {
    "the library's products": ("addmm", "mm", "bmm", "baddbmm", "baddbmm_", "addmm_"),
    "norms": ("native_layer_norm",),
    "joins and copies": ("cat", "clone", "_to_copy", "copy_", "constant_pad_nd"),
}
OURS, REST = "our kernels", "elementwise, sums and the like"


@dataclass(frozen=True, slots=True)
class Step:
    """One kernel: what it moves and computes."""

    kind: str
    num_bytes: int
    flops: int

    @property
    def floor_s(self) -> float:
        return max(self.num_bytes / BYTES_PER_S, self.flops / FLOPS_PER_S)


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self, steps: list[Step]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._steps = steps

    def __torch_dispatch__(
        self, func: Any, types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func._schema.name.split("::")[1]
        given, made = (_tensors(each) for each in ((args, kwargs), out))
        if made and not (func.is_view or name.startswith(("empty", "new_empty"))):
            kind = next((kind for kind, names in KINDS.items() if name in names), REST)
            count: Callable[..., int] | None = flop_registry.get(func.overloadpacket)
            flops = count(*args, **(kwargs or {}), out_val=out) if count else 0
            self._steps.append(Step(kind, sum(t.nbytes for t in given + made), flops))
        return out


def profile(model: str, candidates: int, requests: int) -> list[Step]:
    """The steps of a pass over decoded rows, in bfloat16. `model` is one of the benchmark's."""
    steps: list[Step] = []
    with rankers_without_weights(), fake_gpu() as launched, torch.no_grad():
        ranker = ranker_of(model, CUDA, torch.bfloat16)
        batch = batch_of(MODELS[model][0], candidates, requests, torch.bfloat16, None, CUDA)
        launched.clear()
        with _Recorder(steps):
            ranker.score(batch)
    return steps + [Step(OURS, _num_bytes(launch), 0) for launch in launched]


def report(model: str, candidates: int, requests: int) -> str:
    """The table, and what the floors come to."""
    steps = profile(model, candidates, requests)
    lines = [f"{model}, {candidates} candidates of {requests} requests, bf16", ""]
    lines += [f"{'kind':<32}{'launches':>9}{'MB':>10}{'GFLOP':>10}{'floor, us':>11}"]
    for kind in (*KINDS, REST, OURS):
        some = [step for step in steps if step.kind == kind]
        lines.append(_line(kind, some))
    total = sum(step.floor_s for step in steps)
    useful = work_of(model, candidates, requests, torch.bfloat16).flops
    share = useful / total / DATASHEET_FLOPS_PER_S[2]
    lines += [_line("all", steps), "", f"useful: {useful / 1e9:.4g} GFLOP; at these floors {share:.0%} of the peak"]
    return "\n".join(lines)


def _line(kind: str, steps: list[Step]) -> str:
    num_bytes, flops = sum(step.num_bytes for step in steps), sum(step.flops for step in steps)
    floor = sum(step.floor_s for step in steps)
    return f"{kind:<32}{len(steps):>9}{num_bytes / 1e6:>10.4g}{flops / 1e9:>10.4g}{floor * 1e6:>11.4g}"


def _tensors(values: object) -> list[torch.Tensor]:
    return [value for value in tree_leaves(values) if isinstance(value, torch.Tensor)]


def _num_bytes(launch: Launch) -> int:
    return sum(value.nbytes for value in launch.given.values() if isinstance(value, torch.Tensor))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.forward_profile", description=__doc__)
    parser.add_argument("model", nargs="?", choices=MODELS, default=list(MODELS)[-1], help="default %(default)s")
    parser.add_argument("--candidates", type=int, default=1000, metavar="N", help="default %(default)s")
    parser.add_argument("--requests", type=int, default=1, metavar="B", help="default %(default)s")
    args = parser.parse_args()
    print(report(args.model, args.candidates, args.requests))


if __name__ == "__main__":
    main()
