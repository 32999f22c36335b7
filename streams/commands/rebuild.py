"""`python -m streams rebuild`: fill the store from the topics."""

import argparse
import asyncio
import dataclasses
import json
import sys

from cache.redis_store import Profile, RedisStore
from runtime.settings import kafka_settings, model_name, redis_settings
from streams.agent.settings import agent_settings
from streams.commands.rebuilding import Rebuild, Rebuilt
from streams.wire.reach import reach
from streams.wire.reader import ReaderError


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "rebuild",
        description="Fill the store from the topics: release, items, histories, rows of active users, epochs. "
        "May run beside the agents, and may be repeated.",
    )
    parser.add_argument(
        "--if-needed", action="store_true", help="do nothing unless an epoch is missing (an empty store, a lost shard)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")


def run(args: argparse.Namespace) -> int:
    """Status 0 if the store is filled (or needs nothing), 1 if records failed or a topic cannot be read."""
    try:
        result = asyncio.run(_run(args))
    except ReaderError as error:
        print(f"rebuild: {error}", file=sys.stderr)
        return 1
    if args.json:
        facts = {**dataclasses.asdict(result), "nothing_missing": result.nothing_missing} if result else {}
        print(json.dumps({"rebuilt": result is not None, **facts}))
    elif result is None:
        print("nothing to do: no epoch is missing")
    else:
        _print(result)
    return 1 if result is not None and result.failed else 0


async def _run(args: argparse.Namespace) -> Rebuilt | None:
    store = RedisStore.connect(redis_settings(), Profile.AGENT, agent_settings().history_length)
    try:
        await store.ping()  # said at once; `Rebuild` is patient with one that goes away meanwhile
        if args.if_needed and not await store.missing_epochs():
            return None
        show_bar = sys.stderr.isatty() and not args.json
        kafka = await asyncio.to_thread(reach, kafka_settings())
        rebuild = Rebuild(store, kafka, model_name(), say=_say, show_bar=show_bar)
        return await rebuild.run()
    finally:
        await store.close()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _print(result: Rebuilt) -> None:
    for topic, number in result.records.items():
        print(f"{topic:<32} {number} records")
    print(f"releases        {', '.join(result.releases) or 'none: features and histories only'}")
    if result.release_restored:
        print(f"restored        {result.release_restored} is live again, as the log of releases says")
    print(f"items           {result.items} new, {result.items_known} there already and written again")
    if result.deletions_forgotten:
        print(f"deleted items   {result.deletions_forgotten} forgotten, deleted more than a day ago")
    print(
        f"history events  {result.history_events} new, {result.history_events_known} there already, "
        "or older than a history goes back"
    )
    print(f"user rows       {result.user_rows} computed, {result.users_current} active users need none")
    print(f"rejected        {result.rejected} records that are no events")
    if result.failed:
        print(f"failed          {result.failed} records whose effect failed")
    print(f"took            {result.seconds} s")
    if result.nothing_missing:
        print("nothing was missing: the store had all that the topics say")
