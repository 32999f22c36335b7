"""`python -m inference rank`: ask the ranker for a slate and print it."""

import argparse
import asyncio
import random
import sys
import uuid

import msgspec

from cache.store import Store, StoreRefused
from inference.client import RankClient, RankFailed
from inference.commands.addresses import add_ranker_arguments, open_store, ranker_address
from inference.serving.schema import OfferedItem, RankAnswer, RankRequest

NUM_CANDIDATES = 100


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command and its arguments."""
    parser = subparsers.add_parser(
        "rank",
        help="ask the ranker for a slate",
        description="Rank items for a user: each with its score, its source and how old that is.",
    )
    parser.add_argument("--user", required=True, help="user id")
    parser.add_argument("--items", help="candidates, separated by commas (default: a sample of the known items)")
    parser.add_argument(
        "--candidates", type=int, default=NUM_CANDIDATES, metavar="N", help="size of that sample (default %(default)s)"
    )
    parser.add_argument("--seed", type=int, help="draw the same sample each time")
    parser.add_argument("--k", type=int, default=10, help="items to return (default %(default)s)")
    parser.add_argument("--deadline-ms", type=int, default=1_000, help="answer within (default %(default)s)")
    parser.add_argument("--surface", help="where the slate is shown")
    parser.add_argument("--explore", action="store_true", help="with the slots that users get filled by chance")
    parser.add_argument("--explain", action="store_true", help="with what the model saw (in --json)")
    add_ranker_arguments(parser, "print the answer as it came")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Ask and print; 1 if there is no slate."""
    try:
        answer = asyncio.run(_ask(args))
    except (RankFailed, StoreRefused, LookupError) as error:
        starting = isinstance(error, RankFailed) and error.type == "not_ready"
        print(f"the ranker is not ready yet, try again: {error}" if starting else error, file=sys.stderr)
        return 1
    if args.json:
        print(msgspec.json.format(msgspec.json.encode(answer)).decode())
    else:
        print("\n".join(table(answer)))
    return 0


def table(answer: RankAnswer) -> list[str]:
    """The answer as lines that a person can read."""
    user = answer.user
    behind = "unknown" if answer.behind_ms is None else _duration(answer.behind_ms)
    lines = [
        f"user {answer.user_id}: {user.source}"
        + (f", {_duration(user.age_ms)} old" if user.age_ms is not None else ""),
        f"release {answer.model}:{answer.version}, variant {answer.variant}, pipeline behind by {behind}, "
        f"answered in {answer.stages_ms.get('total', 0):.1f} ms",
    ]
    if any(item.source != "default" and item.as_of_ms is None for item in answer.items):
        lines.append("pairs without a user: they were computed before anything was known of this one")
    if answer.degraded:
        lines.append(f"degraded: {', '.join(answer.degraded)}")
    width = max([len(item.item_id) for item in answer.items] + [4])
    lines.append(
        f"\n{'#':>3}  {'item':<{width}}  {'score':>8}  {'click':>7}  {'convert':>7}  {'pair from':<9}  "
        f"{'pair age':>8}  item row age"
    )
    for position, item in enumerate(answer.items, 1):
        row = item.item_source if item.item_age_ms is None else f"{_duration(item.item_age_ms)} old"
        lines.append(
            f"{position:>3}  {item.item_id:<{width}}  {item.score:>8.4f}  {_probability(item.p_click):>7}  "
            f"{_probability(item.p_conversion):>7}  {item.source:<9}  {_duration(item.age_ms):>8}  {row}"
            + (", by chance" if item.explored else "")
        )
    return lines


async def _ask(args: argparse.Namespace) -> RankAnswer:
    items = args.items.split(",") if args.items else await _sample(args.candidates, args.seed)
    request = RankRequest(
        request_id=f"cli-{uuid.uuid4().hex}",
        user_id=args.user,
        candidates=[OfferedItem(item_id=item) for item in items],
        k=args.k,
        deadline_ms=args.deadline_ms,
        surface=args.surface,
        explore=args.explore,  # the same again when nothing has changed
        explain=args.explain,
    )
    async with RankClient(ranker_address(args.url)) as client:
        return await client.rank(request)


async def _sample(num_candidates: int, seed: int | None) -> list[str]:
    store = open_store()
    try:
        return await sample_items(store, num_candidates, seed)
    finally:
        await store.close()


async def sample_items(store: Store, num_items: int, seed: int | None = None) -> list[str]:
    """Some of the items that the store knows; LookupError if it knows none."""
    known = sorted(item for item, _, features in await store.scan_items() if features is not None)
    if not known:
        raise LookupError("the store knows no items yet; name some with --items")
    return random.Random(seed).sample(known, min(num_items, len(known)))


def _probability(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _duration(milliseconds: int | None) -> str:
    if milliseconds is None:
        return "-"
    seconds = milliseconds / 1000
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s"
