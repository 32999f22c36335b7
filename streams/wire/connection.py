"""Why librdkafka does not get through to the brokers, in one line that names the setting to look at.

It raises nothing for a refused password or certificate: it tells its error callback, several times a second, each time
with another duration in the text, and calls that ask for something fail later as "transport failure".
"""

import re
import time
from collections.abc import Callable
from typing import Final, TypeVar

from confluent_kafka import KafkaError, KafkaException

T = TypeVar("T")

ASK_S: Final = 2.0  # a question waits this long before it looks whether we were refused
_AGAIN_S: Final = 0.1
_TIMING: Final = re.compile(r" \(after \d+ms in state \w+(?:, \d+ identical error\(s\) suppressed)?\)")
_OPENSSL: Final = re.compile(r"error:[0-9A-F]+:SSL routines::")
_REFUSALS: Final = {
    KafkaError._AUTHENTICATION: "SOLARIS_KAFKA_SASL_MECHANISM, _USERNAME and _PASSWORD",
    KafkaError._SSL: "SOLARIS_KAFKA_SSL_CA_LOCATION",
}
_RIGHTS: Final = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)
_UNREACHED: Final = frozenset({KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._ALL_BROKERS_DOWN})


class ConnectionErrors:
    """What an error callback was told: the most telling error, not the last. Give `note` to librdkafka."""

    def __init__(self) -> None:
        self._cause: str | None = None
        self._weight = 0
        self.refused = False  # a broker answered and does not let us in: waiting does not help

    @property
    def cause(self) -> str | None:
        """One line; None if nothing is wrong."""
        return self._cause

    def note(self, error: KafkaError) -> None:
        """Take an error in."""
        code = error.code()
        weight = 3 if code in _REFUSALS else 1 if code == KafkaError._ALL_BROKERS_DOWN else 2
        if weight >= self._weight:
            self._weight, self._cause = weight, _in_words(error)
        self.refused = self.refused or code in _REFUSALS

    def clear(self) -> None:
        """A broker has answered since."""
        self._cause, self._weight, self.refused = None, 0, False


def lacks_right(error: KafkaError) -> bool:
    """Whether the broker knows us and does not permit it."""
    return error.code() in _RIGHTS


def ask(
    question: Callable[[float], T],
    errors: ConnectionErrors,
    serve: Callable[[], object],
    timeout_s: float,
    passing: frozenset[int] = frozenset(),
) -> T:
    """The answer to `question(seconds)`, put again while no broker is reached or the error is one of `passing`.

    Raises the last KafkaException after `timeout_s`, and at once when we are refused. `serve` runs the client's
    callbacks, which nobody else does while we wait.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            answer = question(max(0.0, min(ASK_S, deadline - time.monotonic())))
        except KafkaException as error:
            serve()
            again = error.args[0].code() in _UNREACHED | passing
            if errors.refused or not again or time.monotonic() >= deadline:
                raise
            time.sleep(_AGAIN_S)
        else:
            errors.clear()
            return answer


def _in_words(error: KafkaError) -> str:
    text = _OPENSSL.sub("", _TIMING.sub("", error.str()))
    advice = _REFUSALS.get(error.code())
    if advice is None and error.code() == KafkaError._ALL_BROKERS_DOWN:
        text, advice = "no broker answers in the way we speak", "SOLARIS_KAFKA_BOOTSTRAP and _SECURITY_PROTOCOL"
    if advice is None and "alert bad certificate" in text:
        advice = "SOLARIS_KAFKA_SSL_CERTIFICATE_LOCATION and _KEY_LOCATION"
    return text if advice is None else f"{text}; check {advice}"
