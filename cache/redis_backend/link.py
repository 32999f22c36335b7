"""The way to Redis: commands go out as one pipeline, errors come back as the store's own.

No retries: a caller on the request path has a deadline, an agent pauses and asks again. The one exception is a script
that the server does not know (it was restarted, or failed over): it is loaded and the call is made once more.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Final, Literal

import hiredis
from redis._parsers.hiredis import NOT_ENOUGH_DATA
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError

from cache.redis_backend.command import Command
from cache.redis_backend.errors import CLIENT_ERRORS, store_error
from cache.redis_backend.scripts import Scripts
from cache.store import StoreRefused
from runtime.settings import RedisSettings

PROTOCOL: Final = 2  # raw replies are the same lists on every server; RESP3 turns some into maps and sets

# Replies are as untyped as Redis is; each part of the store knows the shape of what it asked for.
Reply = Any


class Link(ABC):
    """One pipeline after another; safe for many tasks of one event loop."""

    def __init__(self, scripts: Scripts, timeout_s: float) -> None:
        self._scripts = scripts
        self._timeout_s = timeout_s

    async def run(self, commands: Sequence[Command], refused: Literal["raise", "none"] = "raise") -> list[Reply]:
        """Replies to all commands, in their order, after one round trip.

        Raises StoreUnavailable, and StoreRefused when one command was refused (unless those replies shall be None).
        """
        if not commands:
            return []
        replies = await self._round_trip(commands)
        unknown = [index for index, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if unknown:
            await self.load_scripts()
            again = await self._round_trip([commands[index] for index in unknown])
            for index, reply in zip(unknown, again, strict=True):
                replies[index] = reply
        for index, reply in enumerate(replies):
            if isinstance(reply, Exception):
                error = store_error(reply)
                if refused == "raise" or not isinstance(error, StoreRefused):
                    raise error from reply
                replies[index] = None
        return replies

    async def load_scripts(self) -> None:
        """Make every script known to every server; raises StoreUnavailable."""
        try:
            async with asyncio.timeout(self._timeout_s):
                for source in self._scripts.sources.values():
                    await self._load_script(source)
        except CLIENT_ERRORS as error:
            raise store_error(error) from error

    async def _round_trip(self, commands: Sequence[Command]) -> list[Reply]:
        """Replies, with the exceptions of single commands among them."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._pipeline(commands)
        except CLIENT_ERRORS as error:
            raise store_error(error) from error

    @abstractmethod
    async def ping(self) -> None:
        """Every server answers; raises StoreUnavailable."""

    @abstractmethod
    async def close(self) -> None:
        """Close all connections."""

    @abstractmethod
    async def _pipeline(self, commands: Sequence[Command]) -> list[Reply]: ...

    @abstractmethod
    async def _load_script(self, source: str) -> None: ...


class _Connection(Connection):
    """Packs commands in C, as the synchronous client does: 0.7 ms of the 2.5 of hydrating 500 candidates (measured)."""

    def pack_command(self, *args: Any) -> list[bytes]:  # Any: what redis-py allows as an argument
        if isinstance(args[0], str) and " " in args[0]:  # SCRIPT LOAD and the like, which redis-py takes apart
            args = (*args[0].split(), *args[1:])
        return [_packed(args)]


class NodeLink(Link):
    """To a single server, through a pool that queues when it is empty."""

    def __init__(self, settings: RedisSettings, scripts: Scripts, timeout_s: float) -> None:
        super().__init__(scripts, timeout_s)
        pool = BlockingConnectionPool.from_url(
            settings.url,
            max_connections=settings.max_connections,
            timeout=timeout_s,
            socket_timeout=None,  # `_round_trip` has the timeout; a second one per reply costs 0.4 ms a hydration
            socket_connect_timeout=timeout_s,
            connection_class=_Connection,  # a TLS or unix URL brings its own
            retry=Retry(NoBackoff(), 0),
            protocol=PROTOCOL,
            **tls_options(settings),
        )
        self._pool = pool
        self._client: Redis = Redis.from_pool(pool)
        # A copy, since redis-py's own mapping makes every name upper case at every look: 0.1 ms a hydration.
        self._shapes: dict[Any, Any] = dict(self._client.response_callbacks)

    async def ping(self) -> None:
        await self.run([("PING",)])

    async def close(self) -> None:
        await self._client.aclose()

    async def _pipeline(self, commands: Sequence[Command]) -> list[Reply]:
        """What redis-py's pipeline does, without what it does for each command: a third of its time (measured)."""
        pool: Any = self._pool  # Any: redis-py has types for half of it
        connection = await pool.get_connection()
        try:
            await connection.send_packed_command([b"".join([_packed(command) for command in commands])])
            replies = await _replies(connection, len(commands))
        except BaseException:  # also a timeout in the middle: the replies still to come must not reach the next caller
            await connection.disconnect(nowait=True)
            raise
        finally:
            await pool.release(connection)
        for index, command in enumerate(commands):
            shape = self._shapes.get(str(command[0]))
            if shape is not None and not isinstance(replies[index], Exception):
                replies[index] = shape(replies[index])
        return replies

    async def _load_script(self, source: str) -> None:
        await self._client.script_load(source)


async def _replies(connection: Any, num: int) -> list[Reply]:  # Any: redis-py has no types for its parser
    """The next replies, errors among them. All that a read brought is taken at once: one await for a hydration's
    67 replies instead of one each (0.1 ms). Reaches into the client, which offers them only one by one."""
    parser = connection._parser
    replies: list[Reply] = []
    while True:
        while len(replies) < num and (reply := parser._reader.gets()) is not NOT_ENOUGH_DATA:
            replies.append(reply)
        if len(replies) == num:
            return replies
        await parser.read_from_socket()


def _packed(command: tuple[Any, ...]) -> bytes:  # Any: hiredis' own types stop at one argument
    packed: bytes = hiredis.pack_command(command)
    return packed


def tls_options(settings: RedisSettings) -> dict[str, str]:
    """Options of a TLS connection; a plain one does not accept them."""
    given = {
        "ssl_ca_certs": settings.ssl_ca_location,
        "ssl_certfile": settings.ssl_certificate_location,
        "ssl_keyfile": settings.ssl_key_location,
    }
    return {name: location for name, location in given.items() if location}
