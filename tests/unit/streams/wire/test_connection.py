import pytest
from confluent_kafka import KafkaError, KafkaException

from streams.wire.connection import ConnectionErrors, ask

REFUSED = KafkaError(
    KafkaError._AUTHENTICATION, "broker: SASL authentication error: invalid (after 329ms in state AUTH_REQ)"
)
DOWN = KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down")
AWAY = KafkaError(KafkaError._TRANSPORT, "Connect to broker:9092 failed: Connection refused")


def test_the_most_telling_error_stays_whatever_comes_after_it() -> None:
    errors = ConnectionErrors()
    errors.note(DOWN)
    assert "SOLARIS_KAFKA_BOOTSTRAP and _SECURITY_PROTOCOL" in (errors.cause or "")
    errors.note(AWAY)
    assert errors.cause == AWAY.str()
    assert not errors.refused
    errors.note(REFUSED)
    errors.note(DOWN)
    errors.note(AWAY)
    assert errors.cause == (
        "broker: SASL authentication error: invalid; check SOLARIS_KAFKA_SASL_MECHANISM, _USERNAME and _PASSWORD"
    )
    assert errors.refused


@pytest.mark.parametrize(
    "timing", ["after 0ms in state CONNECT", "after 3ms in state AUTH_REQ, 29 identical error(s) suppressed"]
)
def test_the_same_error_of_another_moment_is_the_same_text(timing: str) -> None:
    errors = ConnectionErrors()
    errors.note(KafkaError(KafkaError._TRANSPORT, f"{AWAY.str()} ({timing})"))
    assert errors.cause == AWAY.str()


def test_an_answer_clears_what_was_told() -> None:
    errors = ConnectionErrors()
    errors.note(REFUSED)
    assert ask(lambda _: 7, errors, lambda: None, 10.0) == 7
    assert errors.cause is None
    assert not errors.refused


def test_a_refusal_ends_the_wait_at_once() -> None:
    errors, asked = ConnectionErrors(), []

    def question(timeout_s: float) -> int:
        asked.append(timeout_s)
        raise KafkaException(AWAY)

    with pytest.raises(KafkaException):
        ask(question, errors, lambda: errors.note(REFUSED), 600.0)
    assert len(asked) == 1


def test_a_broker_that_comes_back_is_asked_again() -> None:
    errors, left = ConnectionErrors(), [AWAY, AWAY]

    def question(timeout_s: float) -> str:
        if left:
            raise KafkaException(left.pop())
        return "here"

    assert ask(question, errors, lambda: errors.note(AWAY), 600.0) == "here"


def test_an_error_that_is_no_matter_of_the_connection_is_raised() -> None:
    with pytest.raises(KafkaException, match="authorization"):
        ask(_unauthorised, ConnectionErrors(), lambda: None, 600.0)


def _unauthorised(timeout_s: float) -> int:
    raise KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED, "Topic authorization failed"))
