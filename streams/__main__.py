"""`python -m streams <command>`: topics, events and lag from the command line."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Protocol, cast

from runtime.environment import SettingsError

# Name -> one line of help. A command's module is imported only when it is the one asked for: `--help` stays fast.
COMMANDS = {
    "topics": "create the topics, or check that they are there and right",
    "produce": "send events, from flags or from a file of JSON lines",
    "tail": "print the records of a topic",
    "replay": "send a MovieTweetings folder as item updates and ratings",
    "rebuild": "fill the store from the topics",
    "lag": "show how far each consumer group is behind, once or as a page",
}


class Command(Protocol):
    """What a module in `streams.commands` offers."""

    def add_parser(self, subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
        """Declare the command and its arguments."""

    def run(self, args: argparse.Namespace) -> int:
        """Do it; returns the exit status, 0 only if all went well."""


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, run, return the exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="python -m streams", description="Topics, events and lag of Solaris.")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    asked = next((word for word in argv if not word.startswith("-")), None)
    command: Command | None = None
    for name, line in COMMANDS.items():
        if name == asked:
            command = cast(Command, importlib.import_module(f"streams.commands.{name}"))
            command.add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=line)
    args = parser.parse_args(argv)
    assert command is not None, "argparse has refused every other name"
    try:
        return command.run(args)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `tail ... | head` has read enough
        sys.stderr.close()
        return 0


if __name__ == "__main__":
    sys.exit(main())
