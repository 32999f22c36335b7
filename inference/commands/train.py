"""`python -m inference train`: train a release and write its bundle."""

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import torch

from cache.store import Store, StoreUnavailable
from inference.commands.addresses import not_logged, open_store
from inference.evaluation.report import table
from inference.kernel_choice import check_kernels
from inference.manifest import ReleaseError
from inference.publishing import live_location, newest_bundle, publish
from inference.switch import SwitchRefused
from inference.training.movietweetings_release import train_movietweetings
from inference.training.progress import Progress
from inference.training.synthetic_release import train_synthetic
from inference.training.topics_dataset import LabelWindows
from inference.training.topics_release import train_from_topics
from runtime.command_line import at_least_one
from runtime.settings import check_model_name, kafka_settings, model_name
from streams.wire.reader import ReaderError

DEFAULT_OUT = Path("var/releases")
T = TypeVar("T")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command and its arguments."""
    parser = subparsers.add_parser(
        "train",
        help="train a release",
        description="Train a release and write its bundle. With --publish it is put into use: live where nothing was "
        "live, else staged until `python -m inference release promote`.",
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--synthetic", action="store_true", help="train on a generated log (the default)")
    source.add_argument(
        "--movietweetings", type=Path, metavar="DIR", help="train on DIR/ratings.dat and DIR/movies.dat"
    )
    source.add_argument("--from-topics", action="store_true", help="train on served slates and the activity after them")
    parser.add_argument(
        "--click-window-min",
        type=float,
        default=10.0,
        help="a click counts so long after its impression (default 10)",
    )
    parser.add_argument(
        "--conversion-window-h", type=float, default=24.0, help="and a conversion this long (default 24 hours)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the world, the weights and every draw (default 0)")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help=f"folder of the bundles (default {DEFAULT_OUT})")
    parser.add_argument(
        "--model", type=_model, default=model_name(), help="model name (default: SOLARIS_MODEL, else main)"
    )
    parser.add_argument("--quick", action="store_true", help="tiny and in seconds: proves the path, not the quality")
    parser.add_argument(
        "--tables",
        choices=("plain", "torchrec"),
        default="plain",
        help="embedding tables while training (default plain)",
    )
    # OpenMP threads wait for each other at every step: beside other work, two are slower than one.
    parser.add_argument(
        "--threads",
        type=at_least_one,
        default=1,
        help="CPU threads (default 1; others add in another order and train other weights)",
    )
    parser.add_argument("--publish", action="store_true", help="put it into use (needs Redis; Kafka for the log)")
    parser.add_argument(
        "--if-absent",
        action="store_true",
        help="with --publish: nothing to do if a release is live, and a bundle that is there saves the training",
    )
    parser.add_argument("--no-report", action="store_true", help="print where it is, not how good it is")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")


def _model(text: str) -> str:
    try:
        return check_model_name(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run(args: argparse.Namespace) -> int:
    """Train; print where the bundle is and how good it is."""
    if args.if_absent and args.publish:
        found = _found(args)
        if found is not None:
            return found
    check_kernels()
    torch.set_num_threads(args.threads)
    progress = Progress()
    common = {"seed": args.seed, "model": args.model, "quick": args.quick, "tables": args.tables, "progress": progress}
    try:
        if args.movietweetings is not None:
            trained = train_movietweetings(args.out, args.movietweetings, **common)
        elif args.from_topics:
            windows = LabelWindows(round(args.click_window_min * 60_000), round(args.conversion_window_h * 3_600_000))
            trained = train_from_topics(args.out, kafka_settings(), windows, **common)
        else:
            trained = train_synthetic(args.out, **common)
    except (OSError, ValueError, ReaderError) as error:
        print(f"train: {error}", file=sys.stderr)
        return 1
    if args.json:
        result = {"location": str(trained.location), "version": trained.version, "sha256": trained.sha256}
        print(json.dumps(result | {"metrics": trained.metrics}))
        return _publish(trained.location) if args.publish else 0
    if not args.no_report:
        print(table(trained.metrics))
    print(f"location {trained.location}")
    print(f"version  {trained.version}")
    print(f"sha256   {trained.sha256}")
    return _publish(trained.location) if args.publish else 0


def _found(args: argparse.Namespace) -> int | None:
    """The exit status if there is nothing to train: a release is live, or a bundle could be published."""
    live = asyncio.run(_with_store(lambda store: live_location(store, args.model)))
    if live is not None:
        print(f"{live} is live already", file=sys.stderr)
        return 0
    bundle, unusable = newest_bundle(args.out, args.model)
    for line in unusable:
        print(f"passed over: {line}", file=sys.stderr)
    return None if bundle is None else _publish(bundle)


def _publish(location: Path) -> int:
    try:
        done = asyncio.run(_with_store(lambda store: publish(store, location)))
    except (SwitchRefused, ReleaseError) as error:
        print(f"train: {location} is not published: {error}", file=sys.stderr)
        return 1
    except StoreUnavailable:
        print(f"train: {location} is not published", file=sys.stderr)
        raise
    rows = f"rows of {done.num_items} items and {done.num_users} users"
    filled = rows if done.num_items else "no items are known yet"
    print(f"{done.version} is {done.state}; {filled}", file=sys.stderr)
    if not done.logged:
        print(not_logged(), file=sys.stderr)
    return 0


async def _with_store(work: Callable[[Store], Awaitable[T]]) -> T:
    store = open_store()
    try:
        return await work(store)
    finally:
        await store.close()
