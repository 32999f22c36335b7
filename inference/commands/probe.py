"""`python -m inference probe`: seconds until a ranked answer includes a click."""

import argparse
import asyncio
import json
import sys

from cache.store import StoreRefused
from inference.client import RankClient
from inference.commands.addresses import add_ranker_arguments, open_store, ranker_address
from inference.commands.rank import sample_items
from inference.probe import PROBE_USER, Outcome, Probe
from runtime.settings import kafka_settings
from streams.wire.producer import Producer, ProducerFailed, ProducerFull
from streams.wire.reach import reach

CLOSE_S = 2.0


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command and its arguments."""
    parser = subparsers.add_parser(
        "probe",
        help="how long until an answer includes a click; names the missing hop when it never does",
        description="Send a marked click and ask the ranker until the user's `as_of_ms` includes it.",
    )
    parser.add_argument("--user", default=PROBE_USER, help="whose click it is (default %(default)s)")
    parser.add_argument("--item", help="what is clicked (default: any item that the store knows)")
    parser.add_argument("--count", type=int, default=1, help="how many clicks, one after the other (default 1)")
    parser.add_argument("--timeout-s", type=float, default=15.0, help="give up after (default %(default)s)")
    add_ranker_arguments(parser, "print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Probe and print; 1 if a click never arrived."""
    try:
        outcomes = asyncio.run(_probe(args))
    except (StoreRefused, LookupError, ProducerFull, ProducerFailed) as error:
        print(error, file=sys.stderr)
        return 1
    for outcome in outcomes:
        if args.json:
            print(json.dumps({"seconds": outcome.seconds, "missing": outcome.hop and outcome.hop.name.lower()}))
        elif outcome.hop is None:
            print(f"{outcome.seconds:.3f} s until an answer included the click")
        else:
            print(f"no answer included the click within {args.timeout_s:g} s: {outcome.hop}")
    return int(any(outcome.hop is not None for outcome in outcomes))


async def _probe(args: argparse.Namespace) -> list[Outcome]:
    store = open_store()
    try:
        await store.ping()
        kafka = await asyncio.to_thread(reach, kafka_settings())
        item = args.item or (await sample_items(store, 1))[0]
        producer = Producer(kafka, source="probe")
        try:
            async with RankClient(ranker_address(args.url)) as client:
                probe = Probe(producer, store, client, args.user)
                return [await probe.run(item, args.timeout_s) for _ in range(args.count)]
        finally:
            await asyncio.to_thread(producer.close, CLOSE_S)
    finally:
        await store.close()
