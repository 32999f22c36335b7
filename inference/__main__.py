"""`python -m inference <command>`: train, release, serve, ask."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Protocol, cast

from runtime.environment import SettingsError

# Name -> one line of help. A command's module is imported only when it is the one asked for: `--help` stays fast.
COMMANDS = {
    "train": "train a release on generated logs, on a folder of ratings or on the topics",
    "release": "list, stage, promote and roll back releases",
    "precision": "find which linears of a release may run in FP8",
    "serve": "rank over HTTP: the ranker process",
    "rank": "ask the ranker for a slate",
    "probe": "how long until an answer includes a click; names the missing hop when it never does",
}


class Command(Protocol):
    """What a module in `inference.commands` offers."""

    def add_parser(self, subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
        """Declare the command and its arguments."""

    def run(self, args: argparse.Namespace) -> int:
        """Do it; returns the exit status, 0 only if all went well."""


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, run, return the exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="python -m inference", description="Models, releases and the ranker.")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    asked = next((word for word in argv if not word.startswith("-")), None)
    command: Command | None = None
    try:
        for name, line in COMMANDS.items():
            if name == asked:
                command = cast(Command, importlib.import_module(f"inference.commands.{name}"))
                command.add_parser(subparsers)
            else:
                subparsers.add_parser(name, help=line)
        args = parser.parse_args(argv)
        assert command is not None, "argparse has refused every other name"
        return command.run(args)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
