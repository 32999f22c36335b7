"""`python -m benchmarks NAME`: the figures that the documentation names, measured anew on this machine."""

import argparse
import importlib
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, cast

from benchmarks.figure import Figure
from benchmarks.machine import machine
from benchmarks.report import Report

BENCHMARKS = {
    "ranker-overhead": "the ranker without its model, beside one pipeline that reads the same rows",
    "freshness": "from producing an event to an answer that includes it, with the whole stack running",
    "agent-throughput": "events a second into histories, beside a bare consumer loop with the same writes",
    "kills": "agents killed at random: what was lost, and whether the store is what a plain replay gives",
}


class Benchmark(Protocol):
    """What the module of a benchmark offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare what is its own."""

    def measure(self, args: argparse.Namespace) -> Figure:
        """Run it, warm-up excluded."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, keep the raw data. Status 0 when it was measured: a slow machine is no error, lost data are."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="The figures of the documentation.")
    subparsers = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    for name, line in BENCHMARKS.items():
        subparser = subparsers.add_parser(name, help=line, description=line)
        subparser.add_argument("--repeats", type=_positive, default=3, help="repeats (default %(default)s)")
        subparser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
        subparser.add_argument("--out", type=Path, default=Path("var/bench"), help="raw data (default %(default)s)")
        if name in words:
            _module(name).add_arguments(subparser)
    args = parser.parse_args(words)
    facts = machine()
    figure = _module(args.name).measure(args)
    report = Report(args.name, shlex.join(["python", "-m", "benchmarks", *words]), facts, figure)
    path = report.save(args.out)
    print(json.dumps(report.to_json(raw=False), indent=1) if args.json else report.markdown())
    print(f"raw data: {path}", file=sys.stderr)
    return 0 if figure.sound else 1


def _module(name: str) -> Benchmark:
    return cast(Benchmark, importlib.import_module(f"benchmarks.{name.replace('-', '_')}"))


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
