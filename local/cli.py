"""The commands of `python -m local`."""

import argparse
import asyncio
import importlib
import signal
import sys
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol, cast

from local.guard import listen_to_guard
from local.process import kill_descendants

COMMANDS = {
    "demo": "the whole stack with traffic; shows what it does",
    "up": "the whole stack, without traffic, until Ctrl-C",
    "lock": "resolve Kafka's jars anew and write their hashes",
}
UNGUARDED = ("lock",)
INTERRUPTED = 130


class Command(Protocol):
    """What a module in `local.commands` offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""

    def run(self, args: argparse.Namespace) -> int:
        """Do it; returns the exit status, 0 only if all went well."""


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The arguments; exits with usage when they are wrong."""
    parser = argparse.ArgumentParser(prog="python -m local", description="The whole stack on this machine.")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    asked = next((word for word in words if not word.startswith("-")), None)
    for name, line in COMMANDS.items():
        command = subparsers.add_parser(name, help=line, description=line)
        if name == asked:
            _module(name).add_arguments(command)
    return parser.parse_args(words)


def run(arguments: argparse.Namespace) -> int:
    """Run the command that was asked for."""
    return _module(arguments.command).run(arguments)


def run_until_signalled(main: Coroutine[Any, Any, int]) -> int:  # Any: what a coroutine is sent and yields
    """Run `main` with SIGINT and SIGTERM cancelling it; a second SIGINT kills everything at once.

    Returns its status, 0 when it was cancelled after a signal: an ordered end went well.
    """
    return asyncio.run(_until_signalled(main))


async def _until_signalled(main: Coroutine[Any, Any, int]) -> int:
    task = asyncio.create_task(main)
    signals: list[int] = []

    def on_signal(number: int) -> None:
        signals.append(number)
        if len(signals) == 1:
            print("stopping; data stay in var/ (make clean removes them)", flush=True)
            task.cancel()
        elif number == signal.SIGINT:
            kill_descendants()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, on_signal, number)
    listen_to_guard()
    try:
        return await task
    except asyncio.CancelledError:
        if not signals:
            raise
        return 0


def _module(name: str) -> Command:
    return cast(Command, importlib.import_module(f"local.commands.{name}"))


def complain(error: Exception) -> int:
    """Say what is wrong without a traceback; status 1."""
    print(f"error: {error}", file=sys.stderr)
    return 1
