"""`python -m benchmarks.kernels cpu|gpu|gate|summary|report`: every op beside its baselines, as CSV and in tables."""

import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.kernels import report
from benchmarks.kernels.arguments import parsed
from benchmarks.kernels.device_gate import gate_log, gate_of, run_gate
from benchmarks.kernels.failures import failures_path, read_failures
from benchmarks.kernels.grid import Status, run
from benchmarks.kernels.one_run import NotOneRunError
from benchmarks.kernels.registry import all_cases
from benchmarks.kernels.results import COMMITTED, Machine, read_rows, this_machine
from benchmarks.kernels.summary import summary

UNKNOWN = Machine("an unknown GPU", "of no version", "of no version", "not run")
TAIL = 15  # lines of the gate that are shown


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status: a `Status`; of `gate` and `summary` 0 where all is well, else 1."""
    args = parsed(argv)
    if args.command == "report":
        return show(args.source)
    if args.command == "summary":
        if not args.out.is_dir():
            print(f"there is no folder {args.out}; --out is where `gpu` has left its CSV", file=sys.stderr)
            return 1
        return tell(args.out)
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"--out {args.out}: {error.strerror}", file=sys.stderr)
        return 1
    if args.command != "cpu" and not torch.cuda.is_available():
        print("this needs a CUDA GPU, and PyTorch sees none here; `cpu` measures what runs without", file=sys.stderr)
        return Status.NO_GPU
    if args.command == "gate":
        return test(args.out, args.seconds)
    device = torch.device("cuda" if args.command == "gpu" else "cpu")
    return run(device, args.ops, args.out / f"{args.command}.csv", args.seconds, args.resume)


def show(folder: Path) -> int:
    """Write the pages of a folder's CSV files and say which. Status 1 without rows, or with rows of several runs."""
    wanted = ["cpu.csv"] if folder == COMMITTED else ["cpu.csv", "gpu.csv"]
    if not any((folder / name).exists() for name in wanted):  # tables of nothing would replace what was measured
        print(f"there is no {' or '.join(wanted)} in {folder}; `cpu` and `gpu` measure them", file=sys.stderr)
        return 1
    try:
        written = report.write(folder)
    except NotOneRunError as error:
        print(error, file=sys.stderr)
        return 1
    for path in written:
        print(f"wrote {path}")
    return Status.DONE


def test(out: Path, seconds: float) -> int:
    """The gate, and the end of its log. Status 1 unless it passed."""
    machine = this_machine(torch.device("cuda"))
    gate = run_gate(out, machine, seconds)
    log = gate_log(out, machine)
    print("\n".join(log.read_text().splitlines()[-TAIL:]), f"({log})", sep="\n")
    return Status.DONE if gate and gate.passed else 1


def tell(out: Path) -> int:
    """Write and print the summary of what is in `out`. Status 1 without a gate that passed or with a failed case."""
    rows, failures, gpu = (
        read_rows(out / "gpu.csv"),
        read_failures(failures_path(out / "gpu.csv")),
        torch.device("cuda"),
    )
    if torch.cuda.is_available():
        machine = this_machine(gpu)
    else:  # away from the machine: of what was measured last
        machine = max((row.measured_on for row in rows), key=lambda one: one.date, default=UNKNOWN)
    gate = gate_of(out, machine)
    mine = [row for row in rows if row.measured_on == machine]
    failed = [failure for failure in failures if failure.measured_on == machine]
    text = summary(gate, list(all_cases(gpu)), mine, failed, machine)
    (out / "summary.txt").write_text(text)
    print(text, end="")
    return Status.DONE if gate and gate.passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
