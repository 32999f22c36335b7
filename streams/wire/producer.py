"""The producer of everything but the agents' own Faust topics: bounded, idempotent, and it accounts for every record.

librdkafka raises nothing for bad credentials or a broker that is away: watch `error` and the delivery counts.
"""

import asyncio
import contextlib
import logging
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import Producer as LibrdkafkaProducer

from runtime.logs import kv
from runtime.settings import KafkaSettings
from streams.wire.codec import encode
from streams.wire.connection import ConnectionErrors
from streams.wire.events import Event
from streams.wire.headers import Headers, event_headers
from streams.wire.topics import MAX_RECORD_BYTES

log = logging.getLogger(__name__)

POLL_S = 0.2  # the poll thread sleeps inside librdkafka and wakes at once for a delivery report

# Called with None when the broker has the record, else with the reason why it never will. Runs on the poll thread.
OnDelivery = Callable[[str | None], None]


class ProducerFull(Exception):
    """The queue is full: the broker is away or slow. Drop or wait, but decide it at the caller."""


class ProducerFailed(Exception):
    """The record can never be sent: too large, or the producer is beyond repair and the process should restart."""


@dataclass(frozen=True, slots=True)
class ProducerOptions:
    """Bounds of the producer's queue and patience."""

    linger_ms: int = 2  # 0 to 5: more costs latency and gains nothing at our rates
    compression: str = "gzip"  # gzip or none: the agents' client reads lz4 and zstd only with extras
    queue_max_messages: int = 100_000
    queue_max_kib: int = 65_536
    delivery_timeout_ms: int = 120_000
    missing_topic_wait_ms: int = 10_000  # a topic just created may not be known to every broker yet

    def __post_init__(self) -> None:
        if self.compression not in ("gzip", "none"):
            raise ValueError(f"compression is {self.compression!r}; gzip and none are allowed")
        if not 0 <= self.linger_ms <= 5:
            raise ValueError(f"linger_ms is {self.linger_ms}; 0 to 5 are allowed")


@dataclass(frozen=True, slots=True)
class DeliveryCounts:
    """Records handed in, acknowledged by the broker, and given up by reason; the rest is under way."""

    sent: int
    delivered: int
    failed: dict[str, int] = field(default_factory=dict)

    @property
    def pending(self) -> int:
        return self.sent - self.delivered - sum(self.failed.values())


class Producer:
    """Sends events by key with `murmur2_random`, the partitioner that agrees with the agents' client."""

    def __init__(
        self, settings: KafkaSettings, *, source: str = "solaris", options: ProducerOptions | None = None
    ) -> None:
        """`source` names this process in the `ce_source` header."""
        self._source = source
        self._lock = threading.Lock()
        self._sent = 0
        self._delivered = 0
        self._failed: Counter[str] = Counter()
        self._errors = ConnectionErrors()
        self._producer = LibrdkafkaProducer(self._config(settings, options or ProducerOptions()))
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="kafka-producer", daemon=True)
        self._thread.start()

    @property
    def error(self) -> str | None:
        """The last connection or broker error, None since a record has been delivered after it."""
        return self._errors.cause

    @property
    def refused(self) -> bool:
        """Whether a broker refused our password or we its certificate: nothing will be delivered."""
        return self._errors.refused

    @property
    def counts(self) -> DeliveryCounts:
        with self._lock:
            return DeliveryCounts(self._sent, self._delivered, dict(self._failed))

    def send(self, topic: str, key: str, event: Event, *, on_delivery: OnDelivery | None = None) -> None:
        """Queue `event` without blocking; raises ProducerFull or ProducerFailed."""
        headers = event_headers(topic, event, self._source)
        self.send_raw(topic, key.encode(), encode(event), headers, on_delivery=on_delivery)

    def send_raw(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers = (),
        *,
        on_delivery: OnDelivery | None = None,
    ) -> None:
        """Queue bytes as they are: dead letters keep the original's, a tombstone has no value."""
        with self._lock:
            self._sent += 1
        try:
            self._producer.produce(
                topic,
                key=key,
                value=value,
                headers=list(headers),
                on_delivery=lambda error, _message: self._on_delivery(error, on_delivery),
            )
        except BufferError:
            self._forget()
            raise ProducerFull(f"producer queue is full ({self.counts.pending} records)") from None
        except KafkaException as error:
            self._forget()
            raise ProducerFailed(f"{topic}: {error.args[0].str()}") from None

    async def deliver_raw(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = (), *, timeout_s: float = 30.0
    ) -> None:
        """Send and wait until the broker has it; raises ProducerFull, ProducerFailed or TimeoutError."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[str | None] = loop.create_future()

        def resolve(reason: str | None) -> None:
            if not done.done():
                done.set_result(reason)

        def report(reason: str | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended; nobody waits any more
                loop.call_soon_threadsafe(resolve, reason)

        self.send_raw(topic, key, value, headers, on_delivery=report)
        reason = await asyncio.wait_for(done, timeout_s)
        if reason is not None:
            raise ProducerFailed(f"{topic}: {reason}")

    def flush(self, timeout_s: float) -> int:
        """Wait until all is delivered or given up; returns how many records still are neither."""
        self._producer.flush(timeout_s)
        return self.counts.pending

    def close(self, timeout_s: float = 10.0) -> int:
        """Flush and stop the poll thread; returns the undelivered."""
        undelivered = self.flush(timeout_s)
        self._closing.set()
        self._thread.join(POLL_S * 5)
        return undelivered

    def _config(self, settings: KafkaSettings, options: ProducerOptions) -> dict[str, object]:
        return {
            **settings.librdkafka(),
            "partitioner": "murmur2_random",
            "enable.idempotence": True,
            "acks": "all",
            "compression.type": options.compression,
            "linger.ms": options.linger_ms,
            "message.max.bytes": MAX_RECORD_BYTES,
            "queue.buffering.max.messages": options.queue_max_messages,
            "queue.buffering.max.kbytes": options.queue_max_kib,
            "delivery.timeout.ms": options.delivery_timeout_ms,
            "topic.metadata.propagation.max.ms": options.missing_topic_wait_ms,
            "error_cb": self._on_error,
            "log_level": 2,  # librdkafka's own lines repeat several times a second; error_cb tells the same once
        }

    def _poll(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(POLL_S)

    def _on_error(self, error: KafkaError) -> None:
        before = self._errors.cause
        self._errors.note(error)
        if self._errors.cause != before:
            log.warning(kv("producer error", error=self._errors.cause, fatal=error.fatal()))

    def _on_delivery(self, error: KafkaError | None, on_delivery: OnDelivery | None) -> None:
        with self._lock:
            if error is None:
                self._delivered += 1
                self._errors.clear()
            else:
                self._failed[error.name()] += 1
        if on_delivery is not None:
            on_delivery(None if error is None else error.name())

    def _forget(self) -> None:
        with self._lock:
            self._sent -= 1
