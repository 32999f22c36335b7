"""How long the runner waits before it starts a service again."""

from local.kafka import SHOWN_LINE
from local.service import ERROR_LINE, Backoff


def test_waits_double_up_to_the_longest() -> None:
    backoff = Backoff(first_s=0.5, factor=2.0, longest_s=3.0)
    assert [backoff.delay_s(failures) for failures in (1, 2, 3, 4, 5)] == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_a_service_that_fails_for_days_does_not_overflow_the_wait() -> None:
    assert Backoff().delay_s(100_000) == Backoff().longest_s


def test_errors_of_our_processes_and_of_kafka_reach_the_screen() -> None:
    shown = [
        '2026-01-01T00:00:00.000Z error process=ranker logger=x event="no"',
        "2026-01-01T00:00:00.000Z fatal logger=Broker gone",
        "Traceback (most recent call last):",
        "ValueError: bad",
    ]
    hidden = ["2026-01-01T00:00:00.000Z info an error is named", "12:M 01 Jan 2026 * Ready", "error-free"]
    assert [line for line in shown + hidden if ERROR_LINE.search(line)] == shown


def test_what_kafka_says_of_our_readiness_probe_stays_in_its_log() -> None:
    errors = "2026-01-01T00:00:00.000Z error logger=LogManager {} is gone"
    assert SHOWN_LINE.search(errors.format("reco.user.activity.v1-0"))
    assert not SHOWN_LINE.search(errors.format("local.readiness.probe-0"))
    assert SHOWN_LINE.search("Traceback (most recent call last):")
    assert not SHOWN_LINE.search("2026-01-01T00:00:00.000Z info an error is named")
