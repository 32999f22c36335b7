"""Which errors of the client mean that asking again helps."""

import pytest
from redis import exceptions

from cache.redis_backend.errors import CLIENT_ERRORS, store_error
from cache.store import StoreRefused, StoreUnavailable

UNAVAILABLE = [
    (exceptions.ConnectionError("refused"), "connection"),
    (exceptions.MaxConnectionsError("too many"), "connection"),
    (exceptions.AuthenticationError("wrong password"), "permission"),
    (exceptions.AuthorizationError("not allowed"), "permission"),
    (exceptions.NoPermissionError("No permissions to access a key"), "permission"),
    (exceptions.ResponseError("NOAUTH Authentication required."), "permission"),
    (exceptions.ResponseError("WRONGPASS invalid username-password pair"), "permission"),
    (exceptions.ResponseError("NOPERM ACL failure in script: no permissions to access a key"), "permission"),
    (exceptions.ResponseError("ACL failure in script: User agent has no permissions"), "permission"),
    (ConnectionResetError("reset"), "connection"),
    (exceptions.RedisClusterException("Redis Cluster cannot be connected."), "connection"),
    (exceptions.TimeoutError("read"), "timeout"),
    (TimeoutError(), "timeout"),
    (exceptions.ResponseError("BUSY Redis is busy running a script"), "timeout"),
    (exceptions.BusyLoadingError("loading"), "loading"),
    (exceptions.ReadOnlyError("replica"), "readonly"),
    (exceptions.ResponseError("MISCONF Redis is configured to save RDB snapshots"), "readonly"),
    (exceptions.ResponseError("NOREPLICAS Not enough good replicas to write."), "readonly"),
    (exceptions.OutOfMemoryError("used memory"), "oom"),
    (exceptions.ResponseError("Error running script: -OOM command not allowed when used memory > 'maxmemory'"), "oom"),
    (exceptions.ClusterDownError("The cluster is down"), "clusterdown"),
    (exceptions.MasterDownError("Link with MASTER is down"), "clusterdown"),
    (exceptions.ClusterError("TTL exhausted."), "clusterdown"),
    (exceptions.SlotNotCoveredError("slot 7"), "clusterdown"),
    (exceptions.TryAgainError("Multiple keys request during rehashing"), "clusterdown"),
    (exceptions.MovedError("7 127.0.0.1:7000"), "clusterdown"),
    (exceptions.AskError("7 127.0.0.1:7000"), "clusterdown"),
]


@pytest.mark.parametrize(("error", "reason"), UNAVAILABLE, ids=[f"{type(e).__name__}-{r}" for e, r in UNAVAILABLE])
def test_error_that_will_pass_is_unavailable_with_its_reason(error: Exception, reason: str) -> None:
    found = store_error(error)
    assert isinstance(error, CLIENT_ERRORS)
    assert isinstance(found, StoreUnavailable)
    assert found.reason == reason


@pytest.mark.parametrize(
    "error",
    [
        exceptions.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"),
        exceptions.ResponseError("value is not an integer"),
    ],
)
def test_error_that_will_not_pass_is_refused(error: Exception) -> None:
    assert isinstance(store_error(error), StoreRefused)
