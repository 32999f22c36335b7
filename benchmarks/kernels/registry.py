"""All cases of all ops, in the order in which they are measured."""

import importlib
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.kernels.case import Case

# What the ranker's forward pass spends its time in comes first: a run that is cut short has measured that.
FIRST = ("ranker_forward", "broadcast_linear", "broadcast_lce", "target_attention", "fm_broadcast")


def op_names() -> list[str]:
    """Every op that has a file in `ops/`."""
    found = sorted(path.stem for path in (Path(__file__).parent / "ops").glob("*.py") if path.stem != "__init__")
    return [name for name in FIRST if name in found] + [name for name in found if name not in FIRST]


def op_cases(name: str, device: torch.device) -> Iterator[Case]:
    """The cases of one op for this kind of device; nothing is computed and no device is touched."""
    yield from importlib.import_module(f"benchmarks.kernels.ops.{name}").cases(device)


def all_cases(device: torch.device) -> Iterator[Case]:
    """The cases of every op."""
    for name in op_names():
        yield from op_cases(name, device)
