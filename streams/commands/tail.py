"""`python -m streams tail`: the records of a topic, read without a group."""

import argparse
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

from runtime.command_line import at_least_one
from runtime.settings import kafka_settings
from streams.wire.codec import Rejection, decode
from streams.wire.reach import reach
from streams.wire.reader import FromBeginning, FromEnd, FromTime, Reader, ReaderError, Start
from streams.wire.record import Record
from streams.wire.topics import DEAD_LETTER_SUFFIX, TOPICS


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "tail",
        description="Print records as they arrive, until Ctrl-C. It joins no group and moves nobody's offsets. "
        "A record that its readers would reject is marked with the reason.",
    )
    parser.add_argument("topic", metavar="TOPIC", help="any topic, for example reco.user.activity.v1")
    parser.add_argument("--from-beginning", action="store_true", help="start at the oldest record")
    parser.add_argument("--from-time-ms", type=int, metavar="MS", help="start at this append time (epoch milliseconds)")
    parser.add_argument("--no-follow", action="store_true", help="stop where the topic ends now")
    parser.add_argument("--limit", type=at_least_one, metavar="N", help="stop after N records")
    parser.add_argument("--json", action="store_true", help="one JSON object a record")


def run(args: argparse.Namespace) -> int:
    """Status 0, or 1 if the topic cannot be read."""
    start: Start = FromBeginning() if args.from_beginning else FromEnd()
    if args.from_time_ms is not None:
        start = FromTime(args.from_time_ms)
    try:
        with Reader(reach(kafka_settings()), args.topic) as reader:
            records = reader.read(start) if args.no_follow else _skip_idle(reader.follow(start))
            for record in islice(records, args.limit):
                print(_json_line(record) if args.json else _plain_line(record), flush=True)
    except ReaderError as error:
        print(f"tail: {error}", file=sys.stderr)
        return 1
    return 0


def _skip_idle(records: Iterator[Record | None]) -> Iterator[Record]:
    return (record for record in records if record is not None)


def _rejection(record: Record) -> Rejection | None:
    if record.topic not in TOPICS or record.topic.endswith(DEAD_LETTER_SUFFIX):
        return None  # no schema to hold it against
    decoded = decode(record.topic, record)
    return decoded if isinstance(decoded, Rejection) else None


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode(errors="backslashreplace")


def _plain_line(record: Record) -> str:
    when = datetime.fromtimestamp(record.append_time_ms / 1000, UTC).isoformat(timespec="milliseconds")
    rejection = _rejection(record)
    note = f"  REJECTED {rejection.reason}: {rejection.detail}" if rejection else _dead_letter_note(record)
    key, value = _printable(_text(record.key)), _printable(_text(record.value))
    return f"{when[:-6]}Z  {record.partition}:{record.offset}  key={key}  {value}{note}"


def _dead_letter_note(record: Record) -> str:
    """Why it is one, who says so, and where it came from; empty for other records."""
    if not record.topic.endswith(DEAD_LETTER_SUFFIX):
        return ""
    said = {name: _printable(_text(data)) for name, data in record.headers}
    missing = {"reason": "?", "detail": "?", "group": "?", "topic": "?", "partition": "?", "offset": "?"}
    return "  REJECTED {reason}: {detail}  (by {group}, from {topic} {partition}:{offset})".format_map(missing | said)


def _printable(text: str | None) -> str:
    """One line that cannot steer the terminal it is printed on."""
    if text is None:
        return "null"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _json_line(record: Record) -> str:
    rejection = _rejection(record)
    value: object = _text(record.value)
    if record.value is not None:
        try:
            value = json.loads(record.value)
        except (ValueError, RecursionError):
            value = _text(record.value)
    return json.dumps(
        {
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "append_time_ms": record.append_time_ms,
            "key": _text(record.key),
            "value": value,
            "headers": {name: _text(data) for name, data in record.headers},
            "rejected": None if rejection is None else {"reason": rejection.reason, "detail": rejection.detail},
        }
    )
