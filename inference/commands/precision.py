"""`python -m inference precision`: which linears of a release may run in FP8, and the table that says why."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from inference.forward.arena import InputWidths
from inference.kernel_choice import check_kernels
from inference.manifest import Manifest, ReleaseError
from inference.models.ranker import VARIANTS, Ranker
from inference.precision.as_served import as_served
from inference.precision.heldout import heldout_batches
from inference.precision.probe import Say, Timing, probe
from inference.precision.report import lines
from inference.precision.select import BUDGET
from inference.precision.source import SourceRefused, heldout_data, source_of
from inference.precision.table import PrecisionTable, VariantPrecision, read_precision
from inference.precision.timing import PassTimes, site_times_us, without_fp8
from inference.precision.whole_pass import one_request, pass_times
from inference.protocol import RankInputs
from inference.publishing import newest_bundle
from inference.release import MANIFEST_FILE, Release, load_release
from inference.training.progress import Progress
from inference.training.source import Source
from runtime.command_line import above_zero, at_least_one
from runtime.settings import model_name
from streams.wire.reader import ReaderError

RELEASES = Path("var/releases")


class WrongCall(ValueError):
    """An argument that cannot be meant."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command and its arguments."""
    parser = subparsers.add_parser(
        "precision",
        help="find which linears of a release may run in FP8",
        description="Probe every linear of a release's rankers on held-out requests: the error of bf16 and of two FP8 "
        "recipes against float32, what that linear alone changes in the log loss of clicks and of conversions, and on "
        "a GPU with FP8 the time. Choose greedily under one budget of the change from float32, of either head and with "
        "one standard error, as the choice serves with all else in bf16; verify it on other requests, say on further "
        "ones what it costs, time the whole pass, and write all of it into the bundle as precision.json. FP8 is kept "
        "only where error and speed pass: without such a GPU nothing is. Variants that are not probed keep what the "
        "table says of them if it is of the same weights, budget, source, --candidates, GPU and PyTorch; where it is "
        "not, what is dropped is said.",
    )
    parser.add_argument(
        "location", type=Path, nargs="?", help=f"directory of the bundle (default: the newest in {RELEASES}/MODEL)"
    )
    parser.add_argument("--model", default=model_name(), help="model name (default: SOLARIS_MODEL, else main)")
    source = parser.add_argument_group(
        "what the release was trained on",
        "Taken from the release; only one that does not say it needs to be told. Another than it says is refused. "
        "Ratings need their folder in any case.",
    ).add_mutually_exclusive_group()
    source.add_argument("--synthetic", action="store_true", help="the generated log")
    source.add_argument("--movietweetings", type=Path, metavar="DIR", help="DIR/ratings.dat and DIR/movies.dat")
    source.add_argument("--from-topics", action="store_true", help="served slates and the activity after them")
    parser.add_argument(
        "--variant",
        action="append",
        choices=tuple(VARIANTS),
        help="may be repeated; the table keeps the others (default: all of the release)",
    )
    parser.add_argument(
        "--requests", type=at_least_one, default=8192, help="held-out requests to use (default %(default)s)"
    )
    parser.add_argument(
        "--budget-percent",
        type=above_zero,
        default=BUDGET * 100,
        help="of the log loss of each head, all sites (default %(default)s)",
    )
    parser.add_argument(
        "--candidates", type=at_least_one, default=1000, help="of the one request that is timed (default 1000)"
    )
    parser.add_argument("--threads", type=at_least_one, default=1, help="CPU threads (default 1)")
    parser.add_argument("--show", action="store_true", help="print the table that the release has, probe nothing")
    parser.add_argument("--dry-run", action="store_true", help="probe and print, write nothing")
    parser.add_argument("--json", action="store_true", help="print the table as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Probe, write, print; 1 if there is nothing to probe or nothing to probe it with, 2 for a wrong call."""
    check_kernels()
    try:
        if args.show and (args.dry_run or _asked(args)):
            raise WrongCall("--show prints what is there; it goes with LOCATION, --model, --variant and --json alone")
        location = args.location or _newest(args.model)
        if not (location / MANIFEST_FILE).is_file():
            raise WrongCall(
                f"{location} is no bundle: it has no {MANIFEST_FILE}. A bundle is a folder OUT/MODEL/VERSION"
            )
        release = load_release(location)
        table = _kept(args, release) if args.show else _probed(args, release)
        if not (args.show or args.dry_run):
            print(f"written to {table.write(location)}", file=sys.stderr)
    except (OSError, ValueError, ReaderError) as error:
        print(f"precision: {error}", file=sys.stderr)
        return 2 if isinstance(error, SourceRefused | WrongCall) else 1
    print(table.encode().decode() if args.json else "\n".join(lines(table)))
    return 0


def _newest(model: str) -> Path:
    location, unusable = newest_bundle(RELEASES, model)
    if location is None and not unusable:
        raise ReleaseError(f"no release of {model} in {RELEASES}; name a bundle, or train one")
    for line in unusable:
        print(f"precision: not usable: {line}", file=sys.stderr)
    if location is None:
        raise ReleaseError(f"no release of {model} in {RELEASES} is usable; name a bundle, or train one")
    return location


def _kept(args: argparse.Namespace, release: Release) -> PrecisionTable:
    """The table that is there, of the variants that were asked for."""
    table = read_precision(release.location, release.manifest.weights_sha256)
    if table is None:
        raise ReleaseError(f"{release.location} has no precision.json; run this without --show to make it")
    if args.variant is None:
        return table
    if missing := sorted(set(args.variant) - set(table.variants)):
        raise ReleaseError(f"the table has nothing of {', '.join(missing)}; it has {', '.join(table.variants)}")
    return replace(table, variants={name: one for name, one in table.variants.items() if name in args.variant})


def _probed(args: argparse.Namespace, release: Release) -> PrecisionTable:
    variants = args.variant or list(release.manifest.variants)
    if unknown := sorted(set(variants) - set(release.manifest.variants)):
        raise WrongCall(f"the release has no variant {', '.join(unknown)}")
    source = source_of(release.manifest, _asked(args))
    torch.set_num_threads(args.threads)
    progress = Progress(quiet=args.json)
    conditions = PrecisionTable(
        model=release.manifest.model,
        version=release.manifest.version,
        weights_sha256=release.manifest.weights_sha256,
        budget=args.budget_percent / 100,
        source=source,
        candidates=args.candidates,
        gpu=_gpu(),
        torch=torch.__version__,
        variants={},
    )
    found = _others(release.location, conditions, variants)  # says what it drops before minutes are spent
    progress.say("reading held-out requests")
    batches = heldout_batches(release, heldout_data(release, source, args.movietweetings), args.requests)
    timing = _timing(release.manifest, one_request(batches[0].inputs, args.candidates)) if conditions.gpu else None
    serve = as_served(release.manifest, torch.device("cuda" if conditions.gpu else "cpu"))
    for name in variants:
        ranker = release.bundle.ranker(name)
        try:
            found[name] = probe(
                ranker, batches, conditions.budget, release.manifest.conversion_weight, serve, timing,
                _saying(progress, name),
            )  # fmt: skip
        except ValueError as error:
            raise ValueError(f"variant {name}: {error}") from None
    return replace(conditions, variants={name: found[name] for name in release.manifest.variants if name in found})


def _others(location: Path, conditions: PrecisionTable, probed: Sequence[str]) -> dict[str, VariantPrecision]:
    """What the bundle's table has of variants that are not `probed`, if it can stay beside them."""
    try:
        table = read_precision(location, conditions.weights_sha256)
    except ReleaseError as error:
        print(f"precision: the table that is there is dropped: {error}", file=sys.stderr)
        return {}
    others = {} if table is None else {name: one for name, one in table.variants.items() if name not in probed}
    if table is None or not others:
        return {}
    if differences := conditions.differences(table):
        names = ", ".join(others)
        print(f"precision: what the table has of {names} is dropped: {'; '.join(differences)}", file=sys.stderr)
        return {}
    return others


def _gpu() -> str | None:
    if reason := without_fp8():
        print(f"precision: {reason}: errors are measured, speed is not, and nothing is kept", file=sys.stderr)
        return None
    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def _asked(args: argparse.Namespace) -> Source | None:
    if args.from_topics:
        return Source.TOPICS
    if args.movietweetings is not None:
        return Source.MOVIETWEETINGS
    return Source.SYNTHETIC if args.synthetic else None


def _timing(manifest: Manifest, inputs: RankInputs) -> Timing:
    """On the GPU that is here, with the candidates of `inputs`."""
    widths, gpu = InputWidths.of(manifest.sizes), torch.device("cuda")

    def whole(ranker: Ranker, recipes: Mapping[str, str]) -> PassTimes:
        return pass_times(ranker, widths, recipes, inputs, gpu)

    return Timing(site=lambda linear: site_times_us(inputs.num_candidates, linear), whole=whole)


def _saying(progress: Progress, variant: str) -> Say:
    return lambda text: progress.say(f"{variant}: {text}")
