"""CloudEvents headers (Kafka binding, binary mode): written on every event, never needed to read one."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from streams.wire.events import Event

Headers = tuple[tuple[str, bytes | None], ...]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CONTENT_TYPE = ("content-type", b"application/json")
_SPEC_VERSION = ("ce_specversion", b"1.0")


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the headers say of an event; None where a header is absent or is not UTF-8."""

    id: str | None = None
    time: str | None = None
    type: str | None = None
    source: str | None = None
    traceparent: str | None = None


def event_headers(topic: str, event: Event, source: str, traceparent: str | None = None) -> Headers:
    """Headers of `event`; its type is the topic's name, which carries the schema's major version."""
    headers: Headers = (
        _SPEC_VERSION,
        ("ce_id", event.event_id.encode()),
        ("ce_time", _rfc3339(event.event_time_ms)),
        ("ce_type", topic.encode()),
        ("ce_source", source.encode()),
        _CONTENT_TYPE,
    )
    return (*headers, ("traceparent", traceparent.encode())) if traceparent else headers


def read_headers(headers: Iterable[tuple[str, bytes | None]]) -> Metadata:
    """The metadata in `headers`; of a repeated header the last counts."""
    found: dict[str, str] = {}
    for name, value in headers:
        if value is None:
            continue
        try:
            found[name] = value.decode()
        except UnicodeDecodeError:
            continue
    return Metadata(
        id=found.get("ce_id"),
        time=found.get("ce_time"),
        type=found.get("ce_type"),
        source=found.get("ce_source"),
        traceparent=found.get("traceparent"),
    )


def _rfc3339(time_ms: int) -> bytes:
    try:
        moment = _EPOCH + timedelta(milliseconds=time_ms)
    except OverflowError:  # times are legal past the year 9999, where the calendar ends
        moment = datetime.max.replace(tzinfo=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z").encode()
