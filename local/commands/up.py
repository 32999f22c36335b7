"""`python -m local up`: the stack until Ctrl-C."""

import argparse
import asyncio

from local.cli import complain, run_until_signalled
from local.jars import JarError
from local.java import JavaError
from local.runner import StartError
from local.server import ServerError
from local.settings import LocalSettings
from local.stack import Stack, StackError, say_on_screen
from runtime.addresses import without_password
from runtime.environment import SettingsError, load

FAILURES = (JarError, JavaError, ServerError, SettingsError, StackError, StartError)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--once", action="store_true", help="stop as soon as everything is ready")
    parser.add_argument("--base", action="store_true", help="only Kafka, Redis and the topics")


def run(args: argparse.Namespace) -> int:
    """Status 0 after Ctrl-C, 1 with the reason when something does not start."""
    try:
        return run_until_signalled(_up(once=args.once, base=args.base))
    except FAILURES as error:
        return complain(error)


async def _up(*, once: bool, base: bool) -> int:
    async with Stack(load(LocalSettings, "SOLARIS_LOCAL")) as stack:
        await stack.start_base()
        if not base:
            await stack.start_processes()
        for name, address in stack.addresses.items():
            say_on_screen(f"  {name:16} {without_password(address)}")
        if not once:
            say_on_screen("running; Ctrl-C stops everything")
            await asyncio.Event().wait()
    return 0
