"""`python -m local demo`: the whole stack with traffic, and what it does, on the screen."""

import argparse
import asyncio
import contextlib
import os
import sys
import time

from inference.client import RankerUnreachable, RankFailed
from local.cli import complain, run_until_signalled
from local.commands.up import FAILURES
from local.demo.story import Story
from local.settings import LocalSettings
from local.stack import Stack, say_on_screen
from runtime.environment import load
from runtime.settings import kafka_settings

REQUESTS_PER_S = 8.0  # what two cores carry beside everything else


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--once", action="store_true", help="end after everything has been shown")
    parser.add_argument(
        "--requests-per-s", type=float, default=REQUESTS_PER_S, help="rate of the traffic (default %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Status 0 after everything was shown, or after Ctrl-C; 1 with the reason otherwise."""
    try:
        return run_until_signalled(_demo(once=args.once, requests_per_s=args.requests_per_s))
    except (*FAILURES, RankFailed, RankerUnreachable, TimeoutError) as error:
        return complain(error)


async def _demo(*, once: bool, requests_per_s: float) -> int:
    start_s = time.monotonic()
    settings = load(LocalSettings, "SOLARIS_LOCAL")
    async with Stack(settings) as stack:
        await stack.start_base()
        train = (sys.executable, "-m", "inference", "train", "--synthetic", "--publish", "--if-absent", "--no-report")
        await stack.run("train", train)
        await stack.start_processes()
        kafka = kafka_settings({**os.environ, **stack.env})  # the user's own may want a password
        story = Story(stack.addresses, kafka, settings.folder / "releases", say_on_screen)
        try:
            await story.fill()
            say_on_screen(f"ready after {time.monotonic() - start_s:.0f} s")
            await _tell(story, stack, once, requests_per_s)
        finally:
            await story.close()
    return 0


async def _tell(story: Story, stack: Stack, once: bool, requests_per_s: float) -> None:
    await story.clicks()
    traffic = asyncio.create_task(story.traffic.run(requests_per_s))
    try:
        await story.coverage()
        await story.freshness()
        await story.lag()
        story.quality(await story.version())
        say_on_screen(f"\nlag page:  {stack.addresses['lag']}/")
        say_on_screen(f"ranker:    {stack.addresses['ranker']}/v1/rank  (try: python -m inference rank --user 7)")
        if not once:
            say_on_screen(f"traffic goes on at {requests_per_s:g} requests/s; Ctrl-C stops everything")
            await traffic
    finally:
        traffic.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await traffic
