"""What every part of the Redis store has."""

from cache.redis_backend.link import Link
from cache.redis_backend.scripts import Scripts


class Part:
    """A part of the store: the link to Redis and the scripts."""

    def __init__(self, link: Link, scripts: Scripts, history_length: int) -> None:
        self._link = link
        self._scripts = scripts
        self._history_length = history_length
