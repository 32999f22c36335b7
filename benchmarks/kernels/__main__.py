"""`python -m benchmarks.kernels cpu|gpu|summary|report`: every op beside its baselines, as CSV and in tables."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from benchmarks.kernels import report
from benchmarks.kernels.case import COMPILED, OURS, Case
from benchmarks.kernels.ceilings import measure_ceilings
from benchmarks.kernels.failures import Failure, failures_path, read_failures, write_failures
from benchmarks.kernels.measure import forget, measure, passes
from benchmarks.kernels.plot import draw
from benchmarks.kernels.registry import all_cases, op_cases, op_names
from benchmarks.kernels.results import FOLDER, Machine, merge_rows, read_rows, this_machine
from benchmarks.kernels.summary import read_gate, summary
from kernels.roofline import Ceilings

UNKNOWN = Machine("an unknown GPU", "of no version", "of no version", "not run")


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
    line = "say how a run on a GPU went, and write it into summary.txt beside its CSV"
    summarise = commands.add_parser("summary", help=line, description=line)
    summarise.add_argument("--out", type=Path, default=FOLDER, help="folder of the CSV (default %(default)s)")
    line = "write the tables of kernels/README.md and the plot beside it from the CSV files"
    commands.add_parser("report", help=line, description=line)
    args = parser.parse_args(argv)
    if args.command == "report":
        report.README.write_text(report.rendered(report.README.read_text()))
        draw(read_rows(FOLDER / "cpu.csv"))
        return 0
    if args.command == "summary":
        return tell(args.out)
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
    machine = this_machine(device)
    failures: list[Failure] = []
    write_failures(failures_path(path), failures)
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
        if failure := _one(part, device, ceilings[part.dtype], machine, path, print):
            failures.append(failure)
            write_failures(failures_path(path), failures)  # at once: what comes next may end the process
    return 1 if failures else 0


def tell(out: Path) -> int:
    """Write and print the summary of what is in `out`. Status 1 without a gate that passed or with a failed case."""
    rows, failures = read_rows(out / "gpu.csv"), read_failures(failures_path(out / "gpu.csv"))
    gpu, log = torch.device("cuda"), out / "gate.log"
    if torch.cuda.is_available():
        machine = this_machine(gpu)
    else:  # away from the machine: of what was measured last
        machine = max((row.measured_on for row in rows), key=lambda one: one.date, default=UNKNOWN)
    gate = read_gate(log.read_text()) if log.exists() else None
    mine = [row for row in rows if row.measured_on == machine]
    text = summary(gate, list(all_cases(gpu)), mine, failures, machine)
    (out / "summary.txt").write_text(text)
    print(text, end="")
    return 0 if gate and gate.passed and not failures else 1


def _one(
    case: Case, device: torch.device, ceilings: Ceilings, machine: Machine, path: Path, say: Callable[[str], None]
) -> Failure | None:
    try:
        rows = measure(case, device, ceilings, machine)
    except Exception as error:  # whatever a compiler or a GPU raises, the other cases are measured
        found = f"{type(error).__name__}: {str(error)[:300]}"
        say(f"{case.op} {case.shape}: {found}")
        return Failure(case.op, case.shape, str(case.dtype).removeprefix("torch."), found)
    finally:
        forget(device)
    # Ours beside torch.compile is there for the ratio: its own row is that of the first part.
    compiled = COMPILED in case.providers
    merge_rows(path, [row for row in rows if not (compiled and row.provider == OURS)])
    say(f"{case.op} {case.shape}: " + ", ".join(f"{row.provider} {row.ms:.4g} ms" for row in rows))
    return None


def _keys(case: Case) -> set[tuple[str, str, str, str]]:
    dtype = str(case.dtype).removeprefix("torch.")
    return {(case.op, case.shape, dtype, name) for name in case.providers}


if __name__ == "__main__":
    sys.exit(main())
