"""User rows computed in the request, where the stored one is missing or too old.

The tower is the one that user refresh runs (`inference.user_row`). One computation per user and release at a time,
whoever asks; the row is written back by the same script, off the path; one named thread does the work.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

from cache.store import History, Store, StoreRefused, StoreUnavailable, UserRowWrite
from inference import metrics
from inference.release import Release
from inference.serving.batcher import Batcher
from inference.user_row import encode_user_rows
from runtime.ids import ModelVersion, UserId
from runtime.logs import kv

log = logging.getLogger(__name__)

MAX_BATCH = 32  # histories in one call of the tower

_Job = tuple[Release, History]


class TooManyWaiting(Exception):
    """As many rows as may be are being computed; this one was not begun."""


class UserRows:
    """Computes rows on demand. `kept` says which versions' rows a write leaves in place.

    At most `max_waiting` rows are in work or waiting for it: they outlive the requests that asked for them.
    """

    def __init__(
        self, store: Store, executor: Executor, kept: Callable[[], Sequence[ModelVersion]], max_waiting: int
    ) -> None:
        self._store = store
        self._kept = kept
        self._max_waiting = max_waiting
        self._batcher: Batcher[_Job, bytes] = Batcher(_compute, executor, MAX_BATCH)
        self._computing: dict[tuple[ModelVersion, UserId], asyncio.Task[bytes | None]] = {}
        self._writing: set[asyncio.Task[None]] = set()

    async def compute(self, release: Release, user: UserId) -> bytes | None:
        """The user's row from the history as it is now, None without a history.

        Cancelling the caller does not stop the computation: the row is still written back for the next request.
        Raises TooManyWaiting at once, StoreUnavailable, or whatever the tower raised.
        """
        key = (release.model_version, user)
        task = self._computing.get(key)
        if task is None:
            if len(self._computing) >= self._max_waiting:
                metrics.user_rows_computed.labels("refused").inc()
                raise TooManyWaiting
            task = asyncio.get_running_loop().create_task(self._compute(release, user))
            self._computing[key] = task
            task.add_done_callback(lambda done: self._forget(key, done))
        return await asyncio.shield(task)

    def hung(self) -> str | None:
        """Why no row is computed any more, None while they are: a condition of readiness."""
        return self._batcher.hung()

    async def drain(self, timeout_s: float) -> None:
        """Wait for what is under way, so that stopping loses no row that was paid for."""
        for pending in (self._computing.values, self._writing.copy):  # a computation begins a write
            if tasks := list(pending()):
                await asyncio.wait(tasks, timeout=timeout_s)

    async def _compute(self, release: Release, user: UserId) -> bytes | None:
        history = (await self._store.read_histories([user]))[0]
        if not history.payloads:
            return None
        row = await self._batcher.submit(release.model_version, (release, history))
        writing = asyncio.get_running_loop().create_task(self._write(release, user, row))
        self._writing.add(writing)
        writing.add_done_callback(self._writing.discard)
        return row

    async def _write(self, release: Release, user: UserId, row: bytes) -> None:
        write = UserRowWrite(user, {release.model_version: row})
        try:
            stored = await self._store.write_user_rows([write], self._kept(), release.manifest.user_failover_ms)
        except (StoreUnavailable, StoreRefused):
            metrics.user_rows_written.labels("failed").inc()
        else:
            metrics.user_rows_written.labels("stored" if stored else "older").inc()

    def _forget(self, key: tuple[ModelVersion, UserId], task: "asyncio.Task[bytes | None]") -> None:
        del self._computing[key]
        error = None if task.cancelled() else task.exception()  # looked at, so that a late failure is not lost
        metrics.user_rows_computed.labels("failed" if error or task.cancelled() else "ok").inc()
        if error is not None and not isinstance(error, StoreUnavailable):
            log.error(kv("user row not computed", release=key[0], error=repr(error)))


def _compute(jobs: Sequence[_Job]) -> list[bytes]:
    return encode_user_rows(jobs[0][0], [history for _, history in jobs])
