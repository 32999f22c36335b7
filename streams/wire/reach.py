"""Whether a broker answers, asked before a command does anything: librdkafka itself would wait and say nothing."""

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from runtime.settings import KafkaSettings
from runtime.unreachable import Failing, Server, Unreachable
from streams.wire.connection import ConnectionErrors, ask

SAID_S = 2.0  # after this it is away if the client has said why: a name with two addresses has tried both
SILENT_S = 5.0  # and after this if it has said nothing


class KafkaUnreachable(Unreachable):
    """No broker answers, or none lets us in."""

    server = Server.KAFKA

    def __init__(self, cause: str, *, refused: bool = False) -> None:
        super().__init__(cause)
        self.cause = cause
        self.failing = Failing.REFUSES if refused else Failing.AWAY


def reach(settings: KafkaSettings) -> KafkaSettings:
    """`settings`, after a broker has answered by them; raises KafkaUnreachable within SILENT_S."""
    errors = ConnectionErrors()
    client = AdminClient({**settings.librdkafka(), "log_level": 2, "error_cb": errors.note})
    for patience_s in (SAID_S, SILENT_S - SAID_S):
        try:
            ask(lambda s: client.list_topics(timeout=s), errors, lambda: client.poll(0), patience_s)
        except KafkaException:
            if errors.cause is not None:
                break
        else:
            return settings
    raise KafkaUnreachable(errors.cause or f"no answer within {SILENT_S:g} s", refused=errors.refused)
