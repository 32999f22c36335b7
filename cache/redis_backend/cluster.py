"""The way to a Redis cluster: one pipeline is split by node, and the map of slots is kept up to date.

The client refreshes its map only in calls that it retries by itself, which a deadline forbids; so a failed round trip
starts a refresh in the background, at most once a second.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final

from redis.asyncio.cluster import RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ClusterError, ConnectionError, TimeoutError

from cache.redis_backend.command import Command
from cache.redis_backend.errors import CLIENT_ERRORS, store_error
from cache.redis_backend.link import PROTOCOL, Link, Reply, tls_options
from cache.redis_backend.scripts import Scripts
from runtime.settings import RedisSettings

SETUP_TIMEOUT_S: Final = 2.0  # reading the map of slots and the table of commands takes longer than a request may
REFRESH_INTERVAL_S: Final = 1.0


class ClusterLink(Link):
    """To a cluster. Its client has no pool that queues, so a semaphore bounds the round trips under way."""

    def __init__(self, settings: RedisSettings, scripts: Scripts, timeout_s: float) -> None:
        super().__init__(scripts, timeout_s)
        self._client = RedisCluster.from_url(
            settings.url,
            max_connections=2 * settings.max_connections,  # per node; redirections take a second one
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
            require_full_coverage=False,  # the slots that are left are served
            protocol=PROTOCOL,
            **tls_options(settings),
        )
        self._slots_free = asyncio.Semaphore(settings.max_connections)
        self._refresh: asyncio.Task[None] | None = None

    async def ping(self) -> None:
        await self._initialize()
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._client.ping(target_nodes=RedisCluster.PRIMARIES)
        except CLIENT_ERRORS as error:
            self._start_refresh()
            raise store_error(error) from error

    async def close(self) -> None:
        if self._refresh is not None:
            self._refresh.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._refresh
        await self._client.aclose()

    async def _round_trip(self, commands: Sequence[Command]) -> list[Reply]:
        await self._initialize()
        async with self._slots_free:
            try:
                replies = await super()._round_trip(commands)
            except Exception:
                self._start_refresh()
                raise
        if any(isinstance(reply, ConnectionError | TimeoutError | ClusterError) for reply in replies):
            self._start_refresh()
        return replies

    async def _pipeline(self, commands: Sequence[Command]) -> list[Reply]:
        pipeline = self._client.pipeline()
        for command in commands:
            pipeline.execute_command(*command)
        return await pipeline.execute(raise_on_error=False)

    async def _load_script(self, source: str) -> None:
        await self._client.execute_command("SCRIPT LOAD", source, target_nodes=RedisCluster.PRIMARIES)

    async def _initialize(self) -> None:
        """Read the map of slots before the first round trip, outside of its timeout."""
        try:
            async with asyncio.timeout(SETUP_TIMEOUT_S):
                await self._client.initialize()
        except CLIENT_ERRORS as error:
            raise store_error(error) from error

    def _start_refresh(self) -> None:
        if self._refresh is None or self._refresh.done():
            self._refresh = asyncio.create_task(self._refresh_slots())

    async def _refresh_slots(self) -> None:
        with contextlib.suppress(*CLIENT_ERRORS):  # the next failed round trip asks again
            async with asyncio.timeout(SETUP_TIMEOUT_S):
                await self._client.nodes_manager.initialize()
        await asyncio.sleep(REFRESH_INTERVAL_S)
