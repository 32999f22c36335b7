"""Structured logs: one `key=value` line per event worth reading at night. Never payloads, never secrets."""

import logging
import os
import sys
import time

from runtime.environment import SettingsError

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


class _Formatter(logging.Formatter):
    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = (
            f"{stamp}.{int(record.msecs):03d}Z {record.levelname.lower()} "
            f"process={self._process} logger={record.name} {record.getMessage()}"
        )
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def setup(process: str) -> None:
    """Send every log line to standard error in our format; `SOLARIS_LOG_LEVEL` sets the level (default INFO)."""
    level = os.environ.get("SOLARIS_LOG_LEVEL", "INFO").upper()
    if level not in _LEVELS:
        raise SettingsError(f"SOLARIS_LOG_LEVEL={level!r} is not one of {', '.join(_LEVELS)}")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(process))
    logging.basicConfig(level=level, handlers=[handler], force=True)


def kv(text: str, **fields: object) -> str:
    """A message with fields: `kv("paused", reason="redis")` is `event="paused" reason=redis`."""
    return " ".join([f'event="{text}"', *(f"{name}={_quoted(value)}" for name, value in fields.items())])


def _quoted(value: object) -> str:
    text = str(value)
    if text and not any(c.isspace() or c in '"=' for c in text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
