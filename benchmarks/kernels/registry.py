"""All cases of all ops, in the order in which they are measured. An op is named as its table is headed."""

import importlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import torch

from benchmarks.kernels.case import Case

# What the ranker's forward pass spends its time in comes first: a run that is cut short has measured that.
FIRST = (
    "ranker_forward", "served_forward", "broadcast_linear", "broadcast_lce", "target_attention", "fm_broadcast",
    "fm_broadcast_both",
)  # fmt: skip

Cases = Callable[[torch.device], Iterator[Case]]


def op_names() -> list[str]:
    """Every op that a file in `ops/` has cases of."""
    found = sorted(_found())
    return [name for name in FIRST if name in found] + [name for name in found if name not in FIRST]


def op_cases(name: str, device: torch.device) -> Iterator[Case]:
    """The cases of one op for this kind of device; nothing is computed and no device is touched."""
    yield from _found()[name](device)


def all_cases(device: torch.device) -> Iterator[Case]:
    """The cases of every op."""
    for name in op_names():
        yield from op_cases(name, device)


@cache
def _found() -> dict[str, Cases]:
    """A file has the op of its name and offers `cases`, or has several and offers `CASES` by their names."""
    found: dict[str, Cases] = {}
    for path in sorted((Path(__file__).parent / "ops").glob("[!_]*.py")):
        module = importlib.import_module(f"benchmarks.kernels.ops.{path.stem}")
        found |= getattr(module, "CASES", None) or {path.stem: module.cases}
    return found
