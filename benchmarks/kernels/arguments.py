"""What the command is asked for, and what of it is refused before anything is done."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.kernels.registry import op_cases, op_names
from benchmarks.kernels.results import COMMITTED, SCRATCH
from kernels.backend import VARIABLE, Backend, check_backend, chosen_backend

ABOUT = "Every op beside its baselines, as CSV and in tables."
COMMANDS = {
    "cpu": "measure every op on the CPU",
    "gpu": "measure every op on the GPU",
    "gate": "run the tests on the GPU, unless they have passed with these sources, GPU and versions",
    "summary": "say how a run on a GPU went, and write it into summary.txt beside its CSV",
    "report": "write tables and a plot of the CSV files: the pages of docs/kernels and kernels/README.md from what is "
    "committed, else figures.md beside them; of one machine, number of threads, version and source alone",
}
STATUS = (
    "Status: 0 all that was asked for is measured and right, 5 some of it failed, 2 there is no GPU or the call is "
    "wrong, 3 the GPU was lost: the same again with --resume goes on, 4 time is up and something is left: the same "
    "again with --resume."
)


def parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    """Ends the process with status 2 and the reason where the call is wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kernels", description=ABOUT)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, line in COMMANDS.items():
        measures = name in ("cpu", "gpu")
        command = commands.add_parser(name, help=line, description=line, epilog=STATUS if measures else None)
        if name == "report":
            line = "folder of the CSV files (default: what is committed, %(default)s)"
            command.add_argument("--from", dest="source", type=Path, default=COMMITTED, help=line, metavar="FOLDER")
            continue
        command.add_argument("--out", type=Path, default=SCRATCH, help="folder of the CSV (default %(default)s)")
        if measures or name == "gate":
            line = "begin no case after them" if measures else "stop then"
            command.add_argument("--seconds", type=float, default=float("inf"), help=line)
        if measures:
            command.add_argument("ops", nargs="*", metavar="OP", help=f"default all: {', '.join(op_names())}")
            line = "leave out what the CSV has of today, this machine, its versions and sources; what failed comes last"
            command.add_argument("--resume", action="store_true", help=line)
    args = parser.parse_args(argv)
    if refused := _refused(args):
        parser.error(refused)
    if args.command in ("cpu", "gpu"):
        args.ops = list(dict.fromkeys(args.ops)) or op_names()
    if args.command == "report" and args.source.resolve() == COMMITTED.resolve():
        args.source = COMMITTED
    return args


def _refused(args: argparse.Namespace) -> str | None:
    """Why, if the call cannot do what it asks for."""
    ops = getattr(args, "ops", ())
    if unknown := sorted(set(ops) - set(op_names())):
        return f"no such op: {', '.join(unknown)}; there are {', '.join(op_names())}"
    device = torch.device("cuda" if args.command == "gpu" else "cpu")
    if none := [op for op in ops if not any(op_cases(op, device))]:
        return f"{', '.join(none)}: no case on a {args.command.upper()}"
    return _form_refused(args.command) if args.command in ("cpu", "gpu", "gate") else None


def _form_refused(command: str) -> str | None:
    try:
        check_backend()
    except ValueError as error:
        return str(error)
    if command == "cpu" and chosen_backend() is Backend.TRITON:
        return f"{VARIABLE} is 'triton', and `cpu` uses no GPU; 'auto' takes the PyTorch form there"
    if command == "gpu" and chosen_backend() is Backend.REFERENCE:
        return f"{VARIABLE} is 'reference', and ours would be what it is compared with; 'auto' takes Triton"
    return None
