"""The store in Redis: one server or a cluster, Redis 7.0's commands and no more.

    store = RedisStore.connect(redis_settings(), Profile.AGENT)
    hydrated = await store.hydrate(release, user, items)

Every write is a Lua script within one key slot (`cache/scripts/`), every call one pipeline (pairs: two). The parts are
in `cache/redis_backend/`, the keys in `cache/keys.py`.
"""

from enum import Enum

from cache.limits import DEFAULT_HISTORY_LENGTH, check_history_length
from cache.redis_backend.bookkeeping import Bookkeeping
from cache.redis_backend.cluster import ClusterLink
from cache.redis_backend.items import Items
from cache.redis_backend.link import NodeLink
from cache.redis_backend.pairs import Pairs
from cache.redis_backend.releases import Releases
from cache.redis_backend.requests import Requests
from cache.redis_backend.scripts import Scripts
from cache.redis_backend.users import Users
from runtime.settings import RedisSettings


class Profile(Enum):
    """How long a call may take: a request has a deadline, an agent waits, pauses and loses nothing."""

    REQUEST = "request"
    AGENT = "agent"


class RedisStore(Requests, Users, Items, Pairs, Releases, Bookkeeping):
    """`cache.store.Store` in Redis. Beside StoreUnavailable, writes and nearline reads may raise StoreRefused."""

    @classmethod
    def connect(
        cls,
        settings: RedisSettings,
        profile: Profile = Profile.REQUEST,
        history_length: int = DEFAULT_HISTORY_LENGTH,
    ) -> "RedisStore":
        """A store of the running event loop. It connects when first asked, so Redis need not be there yet."""
        timeout_ms = settings.request_timeout_ms if profile is Profile.REQUEST else settings.agent_timeout_ms
        scripts = Scripts.read()
        link = (ClusterLink if settings.cluster else NodeLink)(settings, scripts, timeout_ms / 1000)
        return cls(link, scripts, check_history_length(history_length))
