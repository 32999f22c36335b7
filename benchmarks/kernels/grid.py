"""The grid of cases, measured one after the other, each kept as soon as it is done."""

import gc
import time
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path

import torch

from benchmarks.kernels.case import COMPILED, OURS, Case
from benchmarks.kernels.ceilings import measure_ceilings
from benchmarks.kernels.failures import MAX_ATTEMPTS, Failures, failures_path, in_turn
from benchmarks.kernels.measure import measure, passes
from benchmarks.kernels.registry import op_cases
from benchmarks.kernels.results import Machine, merge_rows, read_rows, this_machine

Key = tuple[str, str, str, str]


class Status(IntEnum):
    """How a run ended: the exit status of the command."""

    DONE = 0  # everything that was asked for was measured, and right
    FAILED = 1  # the same, but for what failed
    NO_GPU = 2
    LOST = 3  # nothing more can be measured in this process: another goes on with --resume
    TIME_IS_UP = 4  # something is left: the same again with --resume


def run(device: torch.device, ops: Sequence[str], path: Path, seconds: float, resume: bool) -> Status:
    """Measure for so many seconds, and what has begun by then; `resume` leaves out what `path` has of this machine.

    Says at the end what of `ops` is measured and what failed; failures of others count for nothing.
    """
    machine = this_machine(device)
    failures = Failures(failures_path(path), machine, resume)
    have = {row.key for row in read_rows(path) if row.measured_on == machine} if resume else set()
    parts = [part for op in ops for case in op_cases(op, device) for part in passes(case)]
    # torch.compile after all others: it takes longest, and a run that is cut short has everything else.
    parts.sort(key=lambda part: COMPILED in part.providers)
    there = sum(_keys(part) <= have for part in parts)
    status = _measure(parts, have, failures, device, machine, path, time.monotonic() + seconds)
    failed = [failure for part in parts if (failure := failures.of(part))]
    done = sum(_keys(part) <= have for part in parts)
    print(f"{done} of {len(parts)} parts are measured, {done - there} of them now, and {len(failed)} failed: {path}")
    for failure in failed:
        print(f"  failed {failure.attempts} of {MAX_ATTEMPTS} times: {failure.op} {failure.shape}: {failure.error}")
    return Status.FAILED if failed and status is Status.DONE else status


def _measure(
    parts: Sequence[Case], have: set[Key], failures: Failures, device: torch.device, machine: Machine, path: Path,
    until: float,
) -> Status:  # fmt: skip
    """Those that `have` lacks, which grows; DONE if each has been tried."""
    todo = in_turn((part for part in parts if not _keys(part) <= have), failures)
    ceilings = {dtype: measure_ceilings(device, dtype) for dtype in {part.dtype for part in todo}}
    for dtype, found in ceilings.items():
        print(f"{machine.machine}, {dtype}: {found.flops_per_s / 1e12:.3g} TFLOP/s, {found.bytes_per_s / 1e9:.4g} GB/s")
    for done, part in enumerate(todo):
        if time.monotonic() > until:
            print(f"time is up: {len(todo) - done} of {len(todo)} parts are left; run it again with --resume")
            return Status.TIME_IS_UP
        failures.begin(part)  # before it may end the process
        try:
            rows = measure(part, device, ceilings[part.dtype], machine)
        except Exception as error:  # whatever a compiler or a GPU raises, the other cases are measured
            raised = f"{type(error).__name__}: {str(error)[:300]}"
            failures.end(part, raised)
            print(f"{part.op} {part.shape}: {raised}")
            if not usable(device):
                print("the device answers no more in this process")
                return Status.LOST
        else:
            # Beside later baselines ours is there for the ratio: its own row is that of the first part.
            merge_rows(path, [row for row in rows if row.provider != OURS or row.key not in have])
            have |= _keys(part)
            failures.end(part, None)
            print(f"{part.op} {part.shape}: " + ", ".join(f"{row.provider} {row.ms:.4g} ms" for row in rows))
        _forget(device)
    return Status.DONE


def usable(device: torch.device) -> bool:
    """Whether it still computes: after an illegal access every later call of the same process raises."""
    if device.type != "cuda":
        return True
    try:
        torch.ones(1, device=device).sum().item()
        torch.cuda.synchronize()
    except RuntimeError:
        return False
    return True


def _keys(case: Case) -> set[Key]:
    return {(*case.key, name) for name in case.providers}


def _forget(device: torch.device) -> None:
    """Let go of a case's tensors and compiled code before the next."""
    torch.compiler.reset()
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
