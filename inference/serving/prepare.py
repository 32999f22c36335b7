"""The user's side ahead of the request: retrieval has started, and its result will need a user row."""

import asyncio
import logging

from cache.store import Store, StoreRefused, StoreUnavailable
from inference.release import Release
from inference.serving.user_side import UserSide
from runtime.ids import UserId
from runtime.logs import kv

log = logging.getLogger(__name__)

MAX_PREPARING = 256  # users whose side is computed ahead at one time; more wait for their request


class Preparation:
    """Settles users in the background, a bounded number at once."""

    def __init__(self, store: Store, user_side: UserSide) -> None:
        self._store = store
        self._user_side = user_side
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, release: Release, user: UserId) -> None:
        """Compute the user's row if it is behind the history, and write it back; does not wait."""
        if len(self._tasks) < MAX_PREPARING:
            task = asyncio.get_running_loop().create_task(self._settle(release, user))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def drain(self, timeout_s: float) -> None:
        """Wait for what is under way, and for rows that are being computed or written."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_s)
        await self._user_side.drain(timeout_s)

    async def _settle(self, release: Release, user: UserId) -> None:
        try:
            found = await self._store.hydrate(release.model_version, user, [])
        except (StoreUnavailable, StoreRefused) as error:
            log.debug(kv("user side not prepared", error=error))
        else:
            await self._user_side.settle(release, user, found, budget_s=None)
