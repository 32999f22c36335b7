"""Faust's stream without what we do not use: a third of its time an event goes into decoding and sensors of its own."""

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

import faust
from faust.sensors import Monitor

# Any stands for Faust's own types throughout: it has none that are exported.


class RawSchema(faust.Schema):  # type: ignore[misc]  # Faust has no types
    """Key and value as they came, without a look into the registry of codecs."""

    def compile(self, app: Any, **_: Any) -> Callable[..., Awaitable[Any]]:
        """The function that makes an event of a message."""
        event_type = app.conf.Event

        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return event_type(app, message.key, message.value, message.headers, message)

        return decode


class LeanMonitor(Monitor):  # type: ignore[misc]  # Faust has no types
    """Counts nothing per event: with batches its numbers are wrong anyway (measured), and we have our own."""

    def on_message_in(self, tp: Any, offset: int, message: Any) -> None:
        """Not counted."""

    def on_stream_event_in(self, tp: Any, offset: int, stream: Any, event: Any) -> None:
        """The one thing that Faust's own check for slow processing reads."""
        self.stream_inbound_time[tp] = monotonic()

    def on_stream_event_out(self, tp: Any, offset: int, stream: Any, event: Any, state: Any = None) -> None:
        """Not counted."""

    def on_message_out(self, tp: Any, offset: int, message: Any) -> None:
        """Not counted."""

    def track_tp_end_offset(self, tp: Any, offset: int) -> None:
        """Not kept."""
