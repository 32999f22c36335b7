"""The event loop of an agent and of its consumer's thread: uvloop, which does not wait long for a TLS goodbye."""

import asyncio
from typing import Any

import mode.loop
import uvloop

# A broker that answers a fetch while we say goodbye never says it back, and uvloop would wait for 30 s: longer than the
# time in which an agent must stop (measured, 3 of 4 stops). What matters is committed and answered by then.
TLS_CLOSE_S = 1.0


class _Loop(uvloop.Loop):  # type: ignore[misc]  # uvloop has no types here
    async def create_connection(self, *args: Any, **options: Any) -> Any:  # Any: as asyncio declares it
        if options.get("ssl") is not None:
            options.setdefault("ssl_shutdown_timeout", TLS_CLOSE_S)
        return await super().create_connection(*args, **options)


class _Policy(uvloop.EventLoopPolicy):  # type: ignore[misc]
    def _loop_factory(self) -> _Loop:
        return _Loop()


def use_event_loop() -> None:
    """Every loop made from now on is one of ours. Call it before Faust makes its first."""
    mode.loop.use("uvloop")  # else Faust would choose by itself later
    asyncio.set_event_loop_policy(_Policy())
