"""Ends of the process that commit nothing: what was read and not acknowledged is read again after the restart."""

import logging
import os
import sys
from enum import IntEnum
from typing import NoReturn

from runtime.logs import kv

log = logging.getLogger(__name__)


class Exit(IntEnum):
    """Exit statuses of an agent beside 0."""

    FAILED = 70  # nothing else helped; a supervisor should start it again
    UNFINISHED = 75  # told to stop while it was paused, or past its grace period
    MISCONFIGURED = 78  # topics, rights or settings are wrong; a restart alone does not help


def end_process(status: Exit, why: str) -> NoReturn:
    """Leave at once. Faust commits a batch even when its body raises, so raising would lose it (measured)."""
    log.critical(kv("process ends", status=int(status), why=why))
    for handler in logging.getLogger().handlers:
        handler.flush()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
