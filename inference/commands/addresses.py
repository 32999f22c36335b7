"""Where the commands find the ranker and the store, and what those that ask the ranker have in common."""

import argparse

from cache.redis_store import Profile, RedisStore
from runtime.addresses import read_addresses, stack_runs
from runtime.settings import redis_settings
from runtime.unreachable import Server, address_of

DEFAULT_RANKER = "http://127.0.0.1:8000"


def add_ranker_arguments(parser: argparse.ArgumentParser, json_help: str) -> None:
    """`--json` and `--url`."""
    parser.add_argument("--json", action="store_true", help=json_help)
    parser.add_argument("--url", help="address of the ranker (default: that of the running stack)")


def ranker_address(given: str | None) -> str:
    """What was given, else the running local stack's, else the usual port; always with a scheme.

    Raises LookupError while the local stack runs without one, SettingsError after it was killed.
    """
    address = given or read_addresses().get("ranker")
    if address is None and stack_runs():
        raise LookupError(
            "the ranker of the local stack is still starting (or was left out, with --base): try again when the stack "
            "says that it is ready, or name another with --url"
        )
    address = address or DEFAULT_RANKER
    return address if "://" in address else f"http://{address}"


def not_logged() -> str:
    """The warning that a release was changed and Kafka did not take the record of it."""
    place = address_of(Server.KAFKA)
    return f"warning: the log of releases misses this change: Kafka cannot be reached at {place}, or did not take it"


def open_store() -> RedisStore:
    """The store with the patience of an agent. Call it inside a running event loop, and close it there."""
    return RedisStore.connect(redis_settings(), Profile.AGENT)
