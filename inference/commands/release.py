"""`python -m inference release`: which versions there are, and the moves between staged, live and previous."""

import argparse
import asyncio
import dataclasses
import json
import sys
from pathlib import Path

import orjson

from cache.store import ReleaseState, Store, StoreRefused
from inference import switch
from inference.change import change
from inference.commands.addresses import not_logged, open_store
from inference.coverage import Condition, switch_conditions
from inference.manifest import ReleaseError
from inference.publishing import publish
from inference.release import load_release
from runtime.clock import now_ms
from runtime.ids import ModelVersion
from runtime.settings import model_name

RELEASES = Path("var/releases")  # bundles are in <model>/<version> below it


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command and its arguments."""
    parser = subparsers.add_parser(
        "release",
        help="list, stage, promote and roll back releases",
        description="A version is staged (agents write its rows, rankers load it), promoted to live when every item, "
        "nearly all active users and most pairs have rows and every ranker has it, and rolled back by the same switch.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    publish_bundle = actions.add_parser(
        "publish-bundle", help="stage a bundle, fill its rows from the store, promote it where nothing is live"
    )
    stage = actions.add_parser("stage", help="only stage a bundle; agents and `streams rebuild` fill its rows")
    for action in (publish_bundle, stage):
        action.add_argument("location", type=Path, help=f"directory of the bundle, or its version in {RELEASES}/MODEL")
    promote = actions.add_parser("promote", help="make the staged version live")
    promote.add_argument(
        "--force",
        action="store_true",
        help="even if a condition does not hold, or the previous version is younger than 15 minutes",
    )
    rollback = actions.add_parser("rollback", help="make the previous version live again")
    listing = actions.add_parser("list", help="show live, staged and previous, and the conditions of a switch")
    for action in (publish_bundle, stage, promote, rollback, listing):
        action.add_argument("--model", default=model_name(), help="model name (default: SOLARIS_MODEL, else main)")
        action.add_argument("--json", action="store_true", help="print JSON")
        action.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do it; 1 if it was refused."""
    try:
        return asyncio.run(_with_store(args))
    except (switch.SwitchRefused, ReleaseError, StoreRefused, OSError) as error:
        print(error, file=sys.stderr)
        return 1


async def _with_store(args: argparse.Namespace) -> int:
    store = open_store()
    try:
        actions = {
            "list": _list,
            "stage": _stage,
            "publish-bundle": _publish_bundle,
            "promote": _promote,
            "rollback": _rollback,
        }
        return await actions[args.action](store, args)
    finally:
        await store.close()


async def _list(store: Store, args: argparse.Namespace) -> int:
    state = await store.read_release(args.model)
    conditions = await _conditions(store, state, args.model)
    entries = {version: json.loads(entry) for version, entry in state.entries.items()}
    facts = {"model": args.model, "live": state.live, "staged": state.staged, "previous": state.previous}
    if args.json:
        _print(args, facts | {"entries": entries, "conditions": conditions})
        return 0
    for name in ("live", "staged", "previous"):
        version = facts[name]
        print(f"{name:<9} {version or '-'}  {entries.get(version or '', {}).get('location', '')}".rstrip())
    _print_conditions(conditions)
    return 0


async def _stage(store: Store, args: argparse.Namespace) -> int:
    location = _location(args)
    release = load_release(location)
    if release.model_version.model != args.model:
        raise switch.SwitchRefused(f"{location} is a release of {release.model_version.model}, not of {args.model}")
    before = await store.read_release(args.model)
    after = switch.stage(before, release.model_version.version, str(location), release.sha256, now_ms())
    return await _change(store, args, before, after)


async def _publish_bundle(store: Store, args: argparse.Namespace) -> int:
    published = await publish(store, _location(args))
    if not published.logged:
        print(not_logged(), file=sys.stderr)
    facts = dataclasses.asdict(published)
    del facts["logged"]
    _print(args, facts)
    return 0


async def _promote(store: Store, args: argparse.Namespace) -> int:
    before = await store.read_release(args.model)
    after = switch.promote(before, now_ms(), force=args.force)
    conditions = await _conditions(store, before, args.model)
    if not args.json:
        _print_conditions(conditions)
    failed = [condition.name for condition in conditions if not condition.holds]
    if failed and not args.force:
        raise switch.SwitchRefused(f"not promoted, {', '.join(failed)} not ready; wait, or use --force")
    if failed:
        print(f"warning: promoted although {', '.join(failed)} are not ready", file=sys.stderr)
    if left_ms := switch.young_previous_ms(before, now_ms()):
        print(f"warning: {before.previous} is given up {left_ms / 60_000:.0f} min early", file=sys.stderr)
    return await _change(store, args, before, after)


async def _rollback(store: Store, args: argparse.Namespace) -> int:
    before = await store.read_release(args.model)
    return await _change(store, args, before, switch.roll_back(before, now_ms()))


async def _change(store: Store, args: argparse.Namespace, before: ReleaseState, after: ReleaseState) -> int:
    done = await change(store, args.model, before, after)
    if not done.logged:
        print(not_logged(), file=sys.stderr)
    _print(args, {"live": after.live, "staged": after.staged, "previous": after.previous, "retired": done.retired})
    return 0


def _location(args: argparse.Namespace) -> Path:
    location: Path = args.location
    return location if location.exists() else RELEASES / args.model / location


async def _conditions(store: Store, state: ReleaseState, model: str) -> list[Condition]:
    if state.staged is None:
        return []
    location = Path(json.loads(state.entries[state.staged])["location"])
    manifest = load_release(location).manifest
    live = None if state.live is None else ModelVersion(model, state.live)
    return await switch_conditions(store, manifest, live, now_ms())


def _print_conditions(conditions: list[Condition]) -> None:
    for condition in conditions:
        print(f"{'ok  ' if condition.holds else 'wait'}      {condition.name:<8} {condition.detail}")


def _print(args: argparse.Namespace, facts: dict[str, object]) -> None:
    if args.json:
        print(orjson.dumps(facts, option=orjson.OPT_INDENT_2).decode())
    else:
        print("\n".join(f"{name:<9} {value or '-'}" for name, value in facts.items() if value != []))
