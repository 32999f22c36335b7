"""`python -m benchmarks.kernels cpu|gpu|gate|summary|report`: every op beside its baselines, as CSV and in tables."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.kernels import report
from benchmarks.kernels.device_gate import gate_log, gate_of, run_gate
from benchmarks.kernels.failures import failures_path, read_failures
from benchmarks.kernels.grid import Status, run
from benchmarks.kernels.plot import draw
from benchmarks.kernels.registry import all_cases, op_names
from benchmarks.kernels.results import FOLDER, Machine, read_rows, this_machine
from benchmarks.kernels.summary import summary

UNKNOWN = Machine("an unknown GPU", "of no version", "of no version", "not run")
STATUS = (
    "Status: 0 all is measured and right, 1 something failed, 2 there is no GPU, 3 the GPU was lost: the same again "
    "with --resume goes on, 4 time is up and something is left: the same again with --resume."
)
TAIL = 15  # lines of the gate that are shown


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status: a `Status`; of `gate` and `summary` 0 where all is well, else 1."""
    args = _parsed(argv)
    if args.command == "report":
        if not (FOLDER / "cpu.csv").exists():  # tables of nothing would replace what was measured
            print(f"there is no {FOLDER / 'cpu.csv'}; `cpu` measures it", file=sys.stderr)
            return Status.FAILED
        report.write()
        draw(read_rows(FOLDER / "cpu.csv"))
        return Status.DONE
    if args.command == "summary":
        if not args.out.is_dir():
            print(f"there is no folder {args.out}; --out is where `gpu` has left its CSV", file=sys.stderr)
            return Status.FAILED
        return tell(args.out)
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"--out {args.out}: {error.strerror}", file=sys.stderr)
        return Status.FAILED
    if args.command != "cpu" and not torch.cuda.is_available():
        print("this needs a CUDA GPU, and PyTorch sees none here; `cpu` measures what runs without", file=sys.stderr)
        return Status.NO_GPU
    if args.command == "gate":
        return test(args.out, args.seconds)
    device = torch.device("cuda" if args.command == "gpu" else "cpu")
    return run(device, args.ops or op_names(), args.out / f"{args.command}.csv", args.seconds, args.resume)


def _parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kernels", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, line in (
        ("cpu", "measure every op on the CPU"),
        ("gpu", "measure every op on the GPU"),
        ("gate", "run the tests on the GPU, unless they have passed with these sources, GPU and versions"),
        ("summary", "say how a run on a GPU went, and write it into summary.txt beside its CSV"),
        ("report", "write the tables of docs/kernels/figures.md and the plot beside it from the CSV files"),
    ):
        measures = name in ("cpu", "gpu")
        command = commands.add_parser(name, help=line, description=line, epilog=STATUS if measures else None)
        if name != "report":
            command.add_argument("--out", type=Path, default=FOLDER, help="folder of the CSV (default %(default)s)")
        if measures or name == "gate":
            line = "begin no case after them" if measures else "stop then"
            command.add_argument("--seconds", type=float, default=float("inf"), help=line)
        if measures:
            command.add_argument("ops", nargs="*", metavar="OP", help=f"default all: {', '.join(op_names())}")
            line = (
                "leave out what the CSV has of today, this machine, these versions and sources; what failed comes last"
            )
            command.add_argument("--resume", action="store_true", help=line)
    args = parser.parse_args(argv)
    if unknown := set(getattr(args, "ops", ())) - set(op_names()):
        parser.error(f"no such op: {', '.join(sorted(unknown))}; there are {', '.join(op_names())}")
    return args


def test(out: Path, seconds: float) -> int:
    """The gate, and the end of its log. Status 1 unless it passed."""
    machine = this_machine(torch.device("cuda"))
    gate = run_gate(out, machine, seconds)
    log = gate_log(out, machine)
    print("\n".join(log.read_text().splitlines()[-TAIL:]), f"({log})", sep="\n")
    return Status.DONE if gate and gate.passed else Status.FAILED


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
    return Status.DONE if gate and gate.passed and not failed else Status.FAILED


if __name__ == "__main__":
    sys.exit(main())
