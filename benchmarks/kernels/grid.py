"""The grid of cases, measured one after the other, each kept as soon as it is done."""

import gc
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path

import torch

from benchmarks.kernels.case import COMPILED, OURS, Case
from benchmarks.kernels.ceilings import measure_ceilings
from benchmarks.kernels.failures import MAX_ATTEMPTS, Failures, failures_path, in_turn
from benchmarks.kernels.measure import measure, passes
from benchmarks.kernels.registry import op_cases
from benchmarks.kernels.results import Machine, merge_rows, read_rows, this_machine
from kernels.roofline import Ceilings

Key = tuple[str, str, str, str]
LIMIT_S, COMPILED_LIMIT_S = 90, 180  # of one part on a GPU: the longest take a tenth of it


class Status(IntEnum):
    """How a run ended: the exit status of the command."""

    DONE = 0  # everything that was asked for was measured, and right
    NO_GPU = 2
    LOST = 3  # nothing more can be measured in this process: another goes on with --resume
    TIME_IS_UP = 4  # something is left: the same again with --resume
    FAILED = 5  # everything was tried, and something failed; 1 is an interpreter that ended by itself


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
    ceilings: dict[torch.dtype, Ceilings] = {}
    for done, part in enumerate(todo):
        if time.monotonic() > until:
            print(f"time is up: {len(todo) - done} of {len(todo)} parts are left; run it again with --resume")
            return Status.TIME_IS_UP
        failures.begin(part)  # before it may end the process
        try:
            with _ended_if_it_hangs(part, device):
                if part.dtype not in ceilings:
                    found = ceilings[part.dtype] = measure_ceilings(device, part.dtype)
                    rates = f"{found.flops_per_s / 1e12:.3g} TFLOP/s, {found.bytes_per_s / 1e9:.4g} GB/s"
                    print(f"{machine.machine}, {part.dtype}: {rates}")
                rows = measure(part, device, ceilings[part.dtype], machine)
        except Exception as error:  # whatever a compiler or a GPU raises, the other cases are measured
            raised = _told(error)
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


@contextmanager
def _ended_if_it_hangs(part: Case, device: torch.device) -> Iterator[None]:
    """A kernel that never ends lets nothing be raised: the signal ends the process, and another goes on without it."""
    if device.type == "cuda":
        signal.alarm(COMPILED_LIMIT_S if COMPILED in part.providers else LIMIT_S)
    try:
        yield
    finally:
        signal.alarm(0)


def _told(error: Exception) -> str:
    """With what came before it: where a capture ends badly, PyTorch raises the end and not the cause."""
    cause = f" after {error.__context__!r}"[:300] if error.__context__ else ""
    return f"{type(error).__name__}: {str(error)[:300]}{cause}"


def usable(device: torch.device) -> bool:
    """Whether it still computes: after an illegal access every later call of the same process raises.

    A capture that ended badly leaves its stream behind as the current one, and its memory is never given back.
    """
    if device.type != "cuda":
        return True
    if torch.cuda.current_stream() != torch.cuda.default_stream():
        return False
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
