"""`python -m streams produce`: events from flags or from a file of JSON lines, checked before they are sent."""

import argparse
import json
import math
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from typing import BinaryIO

import msgspec

from runtime.clock import now_ms
from runtime.ids import check_id
from runtime.settings import kafka_settings
from streams.commands.notes import Notes
from streams.commands.sending import BrokerAway, Outgoing, closing, progress, report, send_when_room
from streams.wire.codec import MAX_AHEAD_MS, Rejection, decode_value, key_of
from streams.wire.events import SLATE_KINDS
from streams.wire.headers import event_headers
from streams.wire.producer import Producer, ProducerFailed
from streams.wire.reach import reach
from streams.wire.topics import Topic

SOURCE = "solaris/produce"
REQUEST_FLAGS = ("--request", "--request-id")

EXAMPLES = """examples:
  python -m streams produce activity --user 7 --item 12 --kind click
  python -m streams produce item --item 12 --feature category=shoes --feature price=12.5 --feature 'tags=["a","b"]'
  python -m streams produce item --item 12 --delete
  python -m streams produce retrieval --user 7 --item 12 --item 13
  python -m streams produce --topic reco.user.activity.v1 --file events.ndjson
"""


class BadEvent(Exception):
    """The event breaks its topic's schema; the message names the field."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "produce",
        description="Send events. Each is checked against its topic's schema first; a bad one is named and not sent.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--file", metavar="PATH", help="JSON lines to send, one event each; - is standard input")
    topics = [topic.value for topic in Topic]
    parser.add_argument("--topic", choices=topics, metavar="TOPIC", help=f"where --file goes: {', '.join(topics)}")
    parser.add_argument(
        "--fill", action="store_true", help="give lines without event_id or event_time_ms a new id and the present time"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object with the outcome instead of lines")
    what = parser.add_subparsers(dest="what", metavar="{activity,item,retrieval}")

    activity = what.add_parser("activity", help="something a user did with an item, or was shown")
    activity.add_argument("--user", required=True)
    activity.add_argument("--item", required=True)
    activity.add_argument("--kind", required=True, help="impression, click, conversion, rating or a kind of your own")
    activity.add_argument("--value", type=_finite, help="for a rating, say")
    activity.add_argument("--surface")
    activity.add_argument("--context", action="append", default=[], metavar="NAME=VALUE")
    activity.add_argument(
        "--request",
        "--request-id",
        dest="request_id",
        metavar="ID",
        help="the slate it answers; default for slate kinds: a new id",
    )
    activity.add_argument("--position", type=int, help="its place in that slate; default for slate kinds: 0")

    item = what.add_parser("item", help="an item's features, whole, or its deletion")
    item.add_argument("--item", required=True)
    item.add_argument(
        "--feature",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help='a number, a JSON list of strings ["a","b"], else text',
    )
    item.add_argument("--delete", action="store_true", help="send a null value: the item is gone")

    retrieval = what.add_parser("retrieval", help="retrieval started for a user, or completed with candidates")
    retrieval.add_argument("--user", required=True)
    retrieval.add_argument("--item", action="append", default=[], help="a candidate; with any, the event is completed")
    retrieval.add_argument(*REQUEST_FLAGS, dest="request_id", metavar="ID", help="default: a new id")
    retrieval.add_argument("--surface")
    retrieval.add_argument("--context", action="append", default=[], metavar="NAME=VALUE")
    for single in (activity, item, retrieval):
        single.add_argument("--event-id", help="default: a new id")
        single.add_argument("--event-time-ms", type=int, help="when it happened; default: now")
        single.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="as JSON")


def run(args: argparse.Namespace) -> int:
    """Status 0 if every event was good and delivered, 1 if not, 2 for a wrong call."""
    if (args.what is None) == (args.file is None):
        print("produce: give one of activity, item, retrieval, or --file with --topic", file=sys.stderr)
        return 2
    if (args.file is None) != (args.topic is None):
        print("produce: --file and --topic go together", file=sys.stderr)
        return 2
    return _run_file(args) if args.file else _run_single(args)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError("must be finite")
    return number


def _run_single(args: argparse.Namespace) -> int:
    notes = Notes()
    try:
        record, event_id = _single(args, notes)
    except BadEvent as error:
        print(f"produce: {error}", file=sys.stderr)
        return 1
    with closing(Producer(reach(kafka_settings()), source=SOURCE)) as producer:
        try:
            send_when_room(producer, record)
        except (BrokerAway, ProducerFailed) as error:
            print(f"produce: {error}", file=sys.stderr)
            return 1
        complete = report(producer, as_json=args.json, topic=record.topic, event_id=event_id)
    _print(notes)
    return 0 if complete else 1


def _run_file(args: argparse.Namespace) -> int:
    rejected, notes = 0, Notes()
    with ExitStack() as stack:
        try:
            lines = sys.stdin.buffer if args.file == "-" else stack.enter_context(open(args.file, "rb"))
        except OSError as error:
            print(f"produce: {args.file}: {error.strerror}", file=sys.stderr)
            return 2
        producer = stack.enter_context(closing(Producer(reach(kafka_settings()), source=SOURCE)))
        try:
            for outcome in progress(_records(lines, args.topic, args.fill, notes), None, "sending"):
                if isinstance(outcome, Outgoing):
                    send_when_room(producer, outcome)
                else:
                    rejected += 1
                    print(f"produce: {outcome}", file=sys.stderr)
        except (BrokerAway, ProducerFailed) as error:
            print(f"produce: {error}", file=sys.stderr)
            report(producer, as_json=args.json, timeout_s=0.0, topic=args.topic, rejected=rejected)
            return 1
        complete = report(producer, as_json=args.json, topic=args.topic, rejected=rejected)
    _print(notes)
    return 0 if complete and not rejected else 1


def _print(notes: Notes) -> None:
    for line in notes.lines():
        print(f"note: {line}", file=sys.stderr)


def _records(lines: BinaryIO, topic: str, fill: bool, notes: Notes) -> Iterator[Outgoing | str]:
    """A record for each good line, a message for each bad one; empty lines are passed over."""
    for number, line in enumerate(lines, 1):
        value = line.strip()
        if not value:
            continue
        try:
            yield _checked(topic, _filled(value) if fill else value, notes)
        except BadEvent as error:
            yield f"line {number}: {error}"


def _checked(topic: str, value: bytes, notes: Notes) -> Outgoing:
    event = decode_value(topic, value)
    if isinstance(event, Rejection):
        raise BadEvent(f"{event.reason}: {event.detail}")
    ahead_ms = event.event_time_ms - now_ms()
    if ahead_ms > MAX_AHEAD_MS:
        raise BadEvent(f"future: event_time_ms is {ahead_ms} ms ahead of this machine's clock")
    notes.see(event)
    # The line as it is: fields unknown to this version pass through.
    return Outgoing(topic, key_of(topic, event), value, event_headers(topic, event, SOURCE))


def _filled(value: bytes) -> bytes:
    try:
        fields = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return value  # the schema's check says what is wrong
    return msgspec.json.encode(_identity(None, None) | fields) if isinstance(fields, dict) else value


def _identity(event_id: str | None, event_time_ms: int | None) -> dict[str, object]:
    return {
        "event_id": uuid.uuid4().hex if event_id is None else event_id,
        "event_time_ms": now_ms() if event_time_ms is None else event_time_ms,
    }


def _single(args: argparse.Namespace, notes: Notes) -> tuple[Outgoing, str | None]:
    if args.what == "item" and args.delete:
        if args.feature:
            raise BadEvent("--delete and --feature exclude each other")
        try:
            return Outgoing(Topic.ITEM_UPDATES, check_id("item_id", args.item), None), None
        except ValueError as error:
            raise BadEvent(str(error)) from None
    fields = _identity(args.event_id, args.event_time_ms)
    if args.what == "activity":
        topic = Topic.USER_ACTIVITY
        slate = args.kind in SLATE_KINDS
        fields |= {
            "user_id": args.user,
            "item_id": args.item,
            "kind": args.kind,
            "value": args.value,
            "surface": args.surface,
            "context": _pairs(args.context, "--context"),
            "request_id": args.request_id or (uuid.uuid4().hex if slate else None),
            "position": args.position if args.position is not None or not slate else 0,
        }
    elif args.what == "item":
        topic = Topic.ITEM_UPDATES
        fields |= {"item_id": args.item, "features": _pairs(args.feature, "--feature") or {}}
    else:
        topic = Topic.RETRIEVAL_EVENTS
        fields |= {
            "type": "completed" if args.item else "started",
            "request_id": args.request_id or uuid.uuid4().hex,
            "user_id": args.user,
            "surface": args.surface,
            "context": _pairs(args.context, "--context"),
            "candidates": [{"item_id": item} for item in args.item] or None,
        }
    value = json.dumps({name: value for name, value in fields.items() if value is not None})
    return _checked(topic, value.encode(), notes), str(fields["event_id"])


def _pairs(words: list[str], flag: str) -> dict[str, object] | None:
    pairs: dict[str, object] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name:
            raise BadEvent(f"{flag} {word!r} is not NAME=VALUE")
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        number = isinstance(value, int | float) and math.isfinite(value)
        keep = number if not isinstance(value, bool) else flag == "--context"  # features have no truth values
        pairs[name] = value if keep or isinstance(value, list) else text
    return pairs or None
