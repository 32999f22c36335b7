"""Where the commands find the ranker and the store."""

from cache.redis_store import Profile, RedisStore
from runtime.addresses import read_addresses
from runtime.settings import redis_settings

DEFAULT_RANKER = "http://127.0.0.1:8000"


def ranker_address(given: str | None) -> str:
    """What was given, else the running local stack's, else the usual port; always with a scheme."""
    address = given or read_addresses().get("ranker") or DEFAULT_RANKER
    return address if "://" in address else f"http://{address}"


def open_store() -> RedisStore:
    """The store with the patience of an agent. Call it inside a running event loop, and close it there."""
    return RedisStore.connect(redis_settings(), Profile.AGENT)
