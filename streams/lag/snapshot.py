"""What one read of the broker found."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Place(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class PartitionState:
    """A partition's log: oldest offset, end offset (one past the newest record), and who holds it."""

    begin: int
    end: int
    leader: int = -1
    replicas: tuple[int, ...] = ()
    in_sync: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupState:
    """A consumer group: committed offset per partition; partitions never committed are absent."""

    state: str
    num_members: int
    committed: Mapping[Place, int]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything at one time (seconds since the epoch)."""

    time_s: float
    brokers: Mapping[int, str]
    partitions: Mapping[Place, PartitionState]
    groups: Mapping[str, GroupState]
