"""One case: the gate, then the times of its providers beside ours."""

import zlib
from collections.abc import Iterator
from dataclasses import asdict, replace

import torch

from benchmarks.kernels.case import COMPILED, OURS, Case
from benchmarks.kernels.gate import errors
from benchmarks.kernels.results import Machine, Row
from benchmarks.kernels.timing import num_input_sets, side_by_side
from kernels.roofline import Ceilings


class GateFailed(Exception):
    """A provider computes something else: its time would mean nothing."""


def measure(case: Case, device: torch.device, ceilings: Ceilings, machine: Machine) -> list[Row]:
    """Raises GateFailed, naming the provider and its error."""
    generator = torch.Generator(device).manual_seed(hash_of(case))
    inputs = [case.inputs(generator, device) for _ in range(num_input_sets(case.work.bytes_moved, device.type))]
    found = errors(case, inputs[0])
    for name, error in found.items():
        if error > case.tolerance:
            raise GateFailed(
                f"{case.op} {case.shape}, {name}: relative error {error:.2e}, allowed {case.tolerance:.0e}"
            )
    timings = side_by_side(case.providers, inputs)
    return [
        Row(
            *case.key, provider=name,
            ms=t.median_s * 1e3, ms_p20=t.p20_s * 1e3, ms_p80=t.p80_s * 1e3, times_ours=t.ratio_to(timings[OURS]),
            floor_ms=ceilings.floor_s(case.work) * 1e3, bound=ceilings.bound(case.work), error=found[name],
            **asdict(machine),
        )
        for name, t in timings.items()
    ]  # fmt: skip


def passes(case: Case) -> Iterator[Case]:
    """Ours beside its baselines, then beside its other forms, one of which may fail, then beside torch.compile, which
    takes long and may be cut off."""
    tried = [name for name in case.providers if name.startswith(f"{OURS}, ")]
    compiled = [name for name in case.providers if name == COMPILED]
    apart = {*tried, *compiled}
    yield replace(case, providers={name: p for name, p in case.providers.items() if name not in apart})
    for names in filter(None, (tried, compiled)):
        yield replace(case, providers={name: case.providers[name] for name in (OURS, *names)})


def hash_of(case: Case) -> int:
    """A seed that is the same in every process."""
    return zlib.crc32(f"{case.op} {case.shape}".encode())
