"""What the log filter drops, and what it must not."""

import logging

from streams.agent.quiet import EVERY_S, Repeats


def record(name: str, message: str, level: int = logging.ERROR, *args: object) -> logging.LogRecord:
    return logging.LogRecord(name, level, __file__, 1, message, args, None)


def test_a_client_that_repeats_itself_is_heard_once_in_a_while() -> None:
    times = [0.0]
    repeats = Repeats(lambda: times[0])
    shown = []
    for times[0] in (0.0, 1.0, EVERY_S - 0.1, EVERY_S, EVERY_S + 1):
        shown.append(repeats.filter(record("aiokafka.conn", "connect to %s failed", logging.ERROR, times[0])))
    assert shown == [True, False, False, True, False]


def test_other_messages_levels_and_loggers_are_not_held_back_by_it() -> None:
    repeats = Repeats(lambda: 0.0)
    lines = [("aiokafka.conn", "one", logging.ERROR), ("aiokafka.conn", "two", logging.ERROR),
             ("aiokafka.conn", "one", logging.WARNING), ("aiokafka.client", "one", logging.ERROR)]  # fmt: skip
    assert [repeats.filter(record(*line)) for line in lines] == [True] * 4


def test_our_own_lines_and_critical_ones_always_show() -> None:
    repeats = Repeats(lambda: 0.0)
    assert [repeats.filter(record("streams.agent.loop", "dead letter")) for _ in range(3)] == [True] * 3
    assert [repeats.filter(record("faust.app", "crashed", logging.CRITICAL)) for _ in range(3)] == [True] * 3
