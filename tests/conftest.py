"""Real servers for the tests: started when the first test asks, on free loopback ports, stopped with the session.

They die with pytest even when it is killed. A broker or Redis of the user's own is never used: tests delete data.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import tests.reproducible  # noqa: F401
from tests.interpreter import interpret_triton

interpret_triton()  # before anything imports Triton; without a GPU it is the only way to run a kernel

from local.kafka import running_kafka  # noqa: E402
from local.valkey import running_cluster, running_valkey  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def _no_servers_of_the_user() -> Iterator[None]:
    """Settings of the shell that runs the tests do not reach them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("SOLARIS_")]:
            patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """Where the session's servers keep their data and logs; removed at its end."""
    with tempfile.TemporaryDirectory(prefix="solaris-tests-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def valkey_url(server_folder: Path) -> Iterator[str]:
    """URL of a Valkey node; not flushed between tests."""
    with running_valkey(server_folder / "valkey") as server:
        yield server.url


@pytest.fixture(scope="session")
def valkey_cluster_nodes(server_folder: Path) -> Iterator[list[str]]:
    """`host:port` of each of the three masters of a Valkey cluster."""
    with running_cluster(server_folder / "cluster") as nodes:
        yield nodes


@pytest.fixture(scope="session")
def kafka_bootstrap(server_folder: Path) -> Iterator[str]:
    """`host:port` of an Apache Kafka; topics are not created, automatic creation is off."""
    with running_kafka(server_folder / "kafka") as server:
        yield server.bootstrap


@pytest.fixture(scope="session")
def kafka_topics(kafka_bootstrap: str) -> str:
    """The same broker with every topic of `streams.wire.topics`."""
    from runtime.settings import KafkaSettings
    from streams.admin import Admin

    Admin(KafkaSettings(bootstrap=kafka_bootstrap)).create_topics()  # and waits until the broker knows them
    return kafka_bootstrap
