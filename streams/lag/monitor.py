"""The monitor's loop: read, remember, report; keeps the last report while the broker is away."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from runtime.logs import kv
from streams.admin import AdminError
from streams.lag.history import LagHistory
from streams.lag.metrics import lag_registry
from streams.lag.report import LagReport
from streams.lag.settings import LagSettings
from streams.lag.snapshot import Snapshot

log = logging.getLogger(__name__)

NUM_LATE_READS = 3  # after that many intervals without a read the figures are old, and the monitor is not ready


class SnapshotReader(Protocol):
    """Where snapshots come from."""

    def read(self) -> Snapshot:
        """All offsets now; raises AdminError."""


class LagMonitor:
    """`start` it once; `current`, `error` and `failure` may be read at any time."""

    def __init__(
        self,
        settings: LagSettings,
        reader: SnapshotReader,
        history: LagHistory,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._reader = reader
        self._history = history
        self._monotonic = monotonic
        self._stopping = threading.Event()
        self._current: tuple[Snapshot, LagReport] | None = None
        self._last_read: float | None = None
        self.error: str | None = None  # why the last read failed, None if it did not
        self.registry, self._metrics = lag_registry(self.current)

    def current(self) -> tuple[Snapshot, LagReport] | None:
        """The last snapshot and report; None before the first."""
        return self._current

    def failure(self) -> str | None:
        """Why the figures cannot be trusted now, None if they can: a readiness condition."""
        if self._last_read is None:
            return self.error or "nothing has been read yet"
        age_s = self._monotonic() - self._last_read
        if age_s > self._settings.interval_s * NUM_LATE_READS + self._settings.broker_timeout_s:
            return f"the figures are {age_s:.0f} s old: {self.error or 'the read has not returned'}"
        return self.error

    def start(self) -> None:
        """Read at the interval on a thread of its own, from now until `stop`."""
        # A daemon: a read that hangs on a frozen broker must not keep the process from ending.
        threading.Thread(target=self._run, name="lag-reader", daemon=True).start()

    def stop(self) -> None:
        """Read no more; a read under way is not waited for."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            started = self._monotonic()
            self._read()
            self._stopping.wait(max(0.0, self._settings.interval_s - (self._monotonic() - started)))

    def _read(self) -> None:
        try:
            with self._metrics.read_seconds.time():
                snapshot = self._reader.read()
                self._current = snapshot, self._history.add(snapshot)
        except AdminError as error:
            self._metrics.read_failures.inc()
            if self.error is None:
                log.warning(kv("cannot read lag", error=error))
            self.error = str(error)
        else:
            if self.error is not None:
                log.info(kv("reading lag again"))
            self.error = None
            self._last_read = self._monotonic()
