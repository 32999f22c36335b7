"""What is allowed in an event, kept, and of no effect: worth a line to whoever sends it."""

import asyncio
import json
import os
from pathlib import Path

from cache.redis_store import Profile, RedisStore
from cache.store import StoreRefused, StoreUnavailable
from runtime.addresses import read_addresses
from runtime.settings import model_name, redis_settings
from streams.wire.events import HISTORY_KINDS, SLATE_KINDS, Activity, Event, ItemUpdate

KNOWN_KINDS = sorted(HISTORY_KINDS | SLATE_KINDS)
MAX_NAMED = 5


class Notes:
    """Looks at events, and then says what of them nothing reads."""

    def __init__(self) -> None:
        self._kinds: set[str] = set()
        self._features: set[str] = set()

    def see(self, event: Event) -> None:
        """Remember what is in it."""
        if isinstance(event, Activity):
            self._kinds.add(event.kind)
        elif isinstance(event, ItemUpdate):
            self._features |= event.features.keys()

    def lines(self) -> list[str]:
        """One line for kinds, one for features; the latter only if the live release can be asked."""
        found = []
        if kinds := sorted(self._kinds.difference(KNOWN_KINDS)):
            known = ", ".join(KNOWN_KINDS)
            found.append(f"kind {_named(kinds)}: kept on the topic, but enters no history; known are {known}")
        features = known_features() if self._features else None
        if features is not None and (unknown := sorted(self._features - features)):
            known = _named(sorted(features)) if features else "none"
            found.append(f"feature {_named(unknown)}: stored, but not read by the live release, which reads {known}")
        return found


def known_features() -> frozenset[str] | None:
    """The features that the live release was trained with; None if no store is configured, or it cannot say."""
    if "SOLARIS_REDIS_URL" not in os.environ and "redis" not in read_addresses():
        return None
    try:
        manifest = json.loads((asyncio.run(_live_location()) / "manifest.json").read_bytes())
        features = manifest["features"]
        return frozenset([*features["token_names"], *(number["name"] for number in features["numerics"])])
    except (StoreUnavailable, StoreRefused, LookupError, OSError, TypeError, ValueError):
        return None


# The release's own modules know both files, but load PyTorch: seconds, for one line beside an event.


async def _live_location() -> Path:
    store = RedisStore.connect(redis_settings(), Profile.AGENT)
    try:
        state = await store.read_release(model_name())
    finally:
        await store.close()
    return Path(json.loads(state.entries[state.live or ""])["location"])


def _named(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:MAX_NAMED])
    return shown if len(names) <= MAX_NAMED else f"{shown} and {len(names) - MAX_NAMED} more"
