"""Keeps the Kafka client's log readable: it repeats itself sixty times a second while a broker is away (measured)."""

import logging
from collections.abc import Callable
from time import monotonic

EVERY_S = 10.0
MAX_REMEMBERED = 1_000
NOISY = ("aiokafka", "faust", "mode", "kafka")


class Repeats(logging.Filter):
    """Lets a message of one logger and level through once in `EVERY_S`, by its template: the fields may differ."""

    def __init__(self, now_s: Callable[[], float] = monotonic) -> None:
        super().__init__()
        self._now_s = now_s
        self._shown_s: dict[tuple[str, int, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is shown."""
        if not record.name.startswith(NOISY) or record.levelno >= logging.CRITICAL:
            return True
        key, now_s = (record.name, record.levelno, str(record.msg)), self._now_s()
        if now_s - self._shown_s.get(key, float("-inf")) < EVERY_S:
            return False
        if len(self._shown_s) >= MAX_REMEMBERED:
            self._shown_s.clear()
        self._shown_s[key] = now_s
        return True


def quieten() -> None:
    """Filter what the root logger's handlers show."""
    repeats = Repeats()
    for handler in logging.getLogger().handlers:
        handler.addFilter(repeats)
