"""What `produce` and `replay` share: send many records, wait for room, account for every one."""

import json
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from tqdm import tqdm

from streams.wire.codec import encode, key_of
from streams.wire.events import Event
from streams.wire.headers import Headers, event_headers
from streams.wire.producer import DeliveryCounts, Producer, ProducerFull

T = TypeVar("T")

PLAIN_LINE_EVERY_S = 5.0
FLUSH_TIMEOUT_S = 30.0
FLUSH_LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record about to be sent."""

    topic: str
    key: str
    value: bytes | None
    headers: Headers = ()

    @staticmethod
    def of(topic: str, event: Event, source: str) -> "Outgoing":
        """The record of `event` on its topic."""
        return Outgoing(topic, key_of(topic, event), encode(event), event_headers(topic, event, source))


class BrokerAway(Exception):
    """Nothing was delivered for `stall_timeout_s`, and the queue is full."""


def send_when_room(producer: Producer, record: Outgoing, *, stall_timeout_s: float = 60.0) -> None:
    """Queue `record`, waiting while the queue is full; raises BrokerAway, or ProducerFailed."""
    deadline = time.monotonic() + stall_timeout_s
    while True:
        try:
            producer.send_raw(record.topic, record.key.encode(), record.value, record.headers)
        except ProducerFull:
            if time.monotonic() > deadline:
                raise BrokerAway(producer.error or "the producer's queue stays full") from None
            producer.flush(0.2)
        else:
            return


def progress(items: Iterable[T], total: int | None, what: str) -> Iterator[T]:
    """Pass `items` on: a bar on a terminal, a plain line every few seconds elsewhere."""
    if sys.stderr.isatty():
        yield from tqdm(items, total=total, desc=what, unit="record")
        return
    last = time.monotonic()
    for done, item in enumerate(items):
        if time.monotonic() - last > PLAIN_LINE_EVERY_S:
            print(f"{what}: {done} of {total if total is not None else '?'}", file=sys.stderr, flush=True)
            last = time.monotonic()
        yield item


@contextmanager
def closing(producer: Producer) -> Iterator[Producer]:
    """Close the producer at the end without a long wait; call `report` before for the outcome."""
    try:
        yield producer
    finally:
        producer.close(0.0)


def report(producer: Producer, *, as_json: bool, timeout_s: float | None = None, **more: object) -> bool:
    """Wait for deliveries, print the outcome to standard output; True if every record arrived."""
    pending = _flush(producer, FLUSH_TIMEOUT_S if timeout_s is None else timeout_s)
    counts: DeliveryCounts = producer.counts
    complete = counts.delivered == counts.sent
    if as_json:
        print(
            json.dumps(
                {
                    "sent": counts.sent,
                    "delivered": counts.delivered,
                    "failed": counts.failed,
                    "pending": pending,
                    "error": producer.error,
                    **more,
                }
            )
        )
    else:
        print(f"delivered {counts.delivered} of {counts.sent}")
        for name, value in more.items():
            if value is not None:
                print(f"{name.replace('_', ' ')}: {value}")
    if not complete and not as_json:
        failed = ", ".join(f"{number} {reason}" for reason, number in counts.failed.items())
        reasons = "; ".join(part for part in (failed, producer.error) if part)
        print(f"not delivered: {counts.sent - counts.delivered} ({reasons or 'no answer yet'})", file=sys.stderr)
    return complete


def _flush(producer: Producer, timeout_s: float) -> int:
    """As `Producer.flush`, but not to the end of its patience when the broker does not let us in."""
    deadline = time.monotonic() + timeout_s
    while (pending := producer.flush(min(FLUSH_LOOK_S, timeout_s))) and time.monotonic() < deadline:
        if producer.refused:
            break
    return pending
