"""`python -m benchmarks.kernels cpu|gpu|report`: every op beside its baselines, as CSV and as the README's tables."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from benchmarks.kernels import report
from benchmarks.kernels.case import COMPILED, OURS, Case
from benchmarks.kernels.ceilings import measure_ceilings
from benchmarks.kernels.measure import forget, measure, passes
from benchmarks.kernels.plot import draw
from benchmarks.kernels.registry import op_cases, op_names
from benchmarks.kernels.results import FOLDER, Machine, merge_rows, read_rows, this_machine
from kernels.roofline import Ceilings


def main(argv: Sequence[str] | None = None) -> int:
    """Status 0 when everything that was asked for was measured and right, 1 otherwise, 2 without the GPU it needs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kernels", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for kind in ("cpu", "gpu"):
        line = f"measure every op on the {kind.upper()}"
        command = commands.add_parser(kind, help=line, description=line)
        command.add_argument("ops", nargs="*", metavar="OP", help=f"default all: {', '.join(op_names())}")
        command.add_argument("--out", type=Path, default=FOLDER, help="folder of the CSV (default %(default)s)")
        command.add_argument("--seconds", type=float, default=float("inf"), help="stop before a case begins later")
        command.add_argument(
            "--resume", action="store_true", help="leave out what the CSV has of today, this machine and these versions"
        )
    line = "write the tables of kernels/README.md and the plot beside it from the CSV files"
    commands.add_parser("report", help=line, description=line)
    args = parser.parse_args(argv)
    if args.command == "report":
        report.README.write_text(report.rendered(report.README.read_text()))
        draw(read_rows(FOLDER / "cpu.csv"))
        return 0
    if unknown := set(args.ops) - set(op_names()):
        parser.error(f"no such op: {', '.join(sorted(unknown))}; there are {', '.join(op_names())}")
    if args.command == "gpu" and not torch.cuda.is_available():
        print("this needs a CUDA GPU, and PyTorch sees none here; `cpu` measures what runs without", file=sys.stderr)
        return 2
    device = torch.device("cuda" if args.command == "gpu" else "cpu")
    return run(device, args.ops or op_names(), args.out / f"{args.command}.csv", args.seconds, args.resume)


def run(device: torch.device, ops: Sequence[str], path: Path, seconds: float, resume: bool) -> int:
    """Measure, keeping every case as soon as it is done. Status as in `main`."""
    until = time.monotonic() + seconds
    machine, wrong = this_machine(device), 0
    todo = [(op, part) for op in ops for case in op_cases(op, device) for part in passes(case)]
    # torch.compile last of all: it takes longest, and a run that is cut short has everything else.
    todo.sort(key=lambda pair: COMPILED in pair[1].providers)
    if resume:
        have = {row.key for row in read_rows(path) if row.measured_on == machine}
        todo = [(op, part) for op, part in todo if not _keys(part) <= have]
    ceilings = {dtype: measure_ceilings(device, dtype) for dtype in {part.dtype for _, part in todo}}
    for dtype, found in ceilings.items():
        print(f"{machine.machine}, {dtype}: {found.flops_per_s / 1e12:.3g} TFLOP/s, {found.bytes_per_s / 1e9:.4g} GB/s")
    for done, (_, part) in enumerate(todo):
        if time.monotonic() > until:
            print(f"time is up: {len(todo) - done} of {len(todo)} parts are left; run it again with --resume")
            break
        wrong += not _one(part, device, ceilings[part.dtype], machine, path, print)
    return 1 if wrong else 0


def _one(
    case: Case, device: torch.device, ceilings: Ceilings, machine: Machine, path: Path, say: Callable[[str], None]
) -> bool:
    try:
        rows = measure(case, device, ceilings, machine)
    except Exception as error:  # whatever a compiler or a GPU raises, the other cases are measured
        say(f"{case.op} {case.shape}: {type(error).__name__}: {str(error)[:300]}")
        return False
    finally:
        forget(device)
    # Ours beside torch.compile is there for the ratio: its own row is that of the first part.
    compiled = COMPILED in case.providers
    merge_rows(path, [row for row in rows if not (compiled and row.provider == OURS)])
    say(f"{case.op} {case.shape}: " + ", ".join(f"{row.provider} {row.ms:.4g} ms" for row in rows))
    return True


def _keys(case: Case) -> set[tuple[str, str, str, str]]:
    dtype = str(case.dtype).removeprefix("torch.")
    return {(case.op, case.shape, dtype, name) for name in case.providers}


if __name__ == "__main__":
    sys.exit(main())
