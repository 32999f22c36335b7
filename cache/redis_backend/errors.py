"""Which errors of the client mean that Redis cannot be asked now, and which that it refused the call itself."""

import builtins
from typing import Final

from redis import exceptions

from cache.store import StoreRefused, StoreUnavailable

CLIENT_ERRORS: Final = (exceptions.RedisError, exceptions.RedisClusterException, OSError)

# First match wins: subclasses stand before their bases.
_BY_TYPE: Final[tuple[tuple[type[Exception], str], ...]] = (
    (exceptions.BusyLoadingError, "loading"),
    (exceptions.TimeoutError, "timeout"),
    (builtins.TimeoutError, "timeout"),
    (exceptions.ReadOnlyError, "readonly"),
    (exceptions.OutOfMemoryError, "oom"),
    (exceptions.ClusterError, "clusterdown"),
    (exceptions.TryAgainError, "clusterdown"),
    (exceptions.AskError, "clusterdown"),  # and MovedError: a redirection that led nowhere
    # A changed password or ACL concerns every call, and is mended there.
    (exceptions.AuthenticationError, "permission"),
    (exceptions.AuthorizationError, "permission"),
    (exceptions.NoPermissionError, "permission"),
    (exceptions.ConnectionError, "connection"),
    (OSError, "connection"),
)

# Errors that have no type of their own; inside a script the text may follow a prefix.
_BY_TEXT: Final[tuple[tuple[str, str], ...]] = (
    ("OOM command not allowed", "oom"),
    ("READONLY", "readonly"),
    ("MISCONF", "readonly"),
    ("NOREPLICAS", "readonly"),
    ("LOADING", "loading"),
    ("CLUSTERDOWN", "clusterdown"),
    ("BUSY ", "timeout"),
    ("NOPERM", "permission"),
    ("NOAUTH", "permission"),
    ("WRONGPASS", "permission"),
    ("ACL failure in script", "permission"),
    ("cannot be connected", "connection"),
)


def store_error(error: BaseException) -> StoreUnavailable | StoreRefused:
    """What to raise for an error of the client: unavailable with its reason, or refused."""
    for kind, reason in _BY_TYPE:
        if isinstance(error, kind):
            return StoreUnavailable(reason, str(error))
    text = str(error)
    for part, reason in _BY_TEXT:
        if part in text:
            return StoreUnavailable(reason, text)
    if isinstance(error, exceptions.RedisClusterException):
        return StoreUnavailable("clusterdown", text)
    return StoreRefused(text)
