"""A store in memory, a clock that stands still, two real releases with random weights."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import pytest

from cache.memory import MemoryStore
from inference.release import Release, load_release
from inference.training.untrained import untrained_release
from runtime.clock import ManualClock
from streams.wire.record import Received
from streams.wire.topics import Topic
from tests.unit.inference.releases import ITEMS

NOW_MS = 1_700_000_000_000
T = TypeVar("T")
Receive = Callable[..., list[Received[T]]]


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> list[Release]:
    """Live and staged."""
    folder = tmp_path_factory.mktemp("effects")
    found = []
    for seed, version in enumerate(("v1", "v2")):
        untrained_release(folder / version, ITEMS, version=version, seed=seed)
        found.append(load_release(folder / version))
    return found


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW_MS)


@pytest.fixture
def store(clock: ManualClock) -> MemoryStore:
    return MemoryStore(clock)


def received(*events: T, topic: Topic = Topic.USER_ACTIVITY, first: int = 0) -> list[Received[T]]:
    """Events as they come from one partition, from offset `first` on."""
    return [Received(event, topic.value, 0, first + i, NOW_MS) for i, event in enumerate(events)]


def versions(releases: Sequence[Release]) -> list[object]:
    return [release.model_version for release in releases]
