"""A program of several commands, one module each. A command's module is imported only when it is the one asked for:
`--help` stays fast."""

import argparse
import importlib
import sys
from collections.abc import Mapping, Sequence
from typing import Protocol, cast

from runtime.addresses import StackGone
from runtime.environment import SettingsError
from runtime.unreachable import EXIT_UNREACHABLE, Unreachable, explain


class Command(Protocol):
    """What the module of a command offers."""

    def add_parser(self, subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
        """Declare the command and its arguments."""

    def run(self, args: argparse.Namespace) -> int:
        """Do it; returns the exit status, 0 only if all went well."""


def at_least_one(text: str) -> int:
    """A `type` of argparse: an integer from 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def above_zero(text: str) -> float:
    """A `type` of argparse: a finite number above 0."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError("must be above 0, and finite")
    return number


def run_command(package: str, description: str, commands: Mapping[str, str], argv: Sequence[str] | None) -> int:
    """`python -m PACKAGE COMMAND ...`: parse, run, return the exit status.

    `commands`: name -> one line of help; its module is `PACKAGE.commands.NAME`. 2 for a setting that is wrong,
    EXIT_UNREACHABLE for a server that cannot be reached.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog=f"python -m {package}", description=description)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    asked = next((word for word in argv if not word.startswith("-")), None)
    command: Command | None = None
    try:
        for name, line in commands.items():
            if name == asked:
                command = cast(Command, importlib.import_module(f"{package}.commands.{name}"))
                command.add_parser(subparsers)
            else:
                subparsers.add_parser(name, help=line)
        args = parser.parse_args(argv)
        assert command is not None, "argparse has refused every other name"
        return command.run(args)
    except Unreachable as error:
        print(explain(error), file=sys.stderr)
        return EXIT_UNREACHABLE
    except StackGone as error:
        print(error, file=sys.stderr)
        return EXIT_UNREACHABLE
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
