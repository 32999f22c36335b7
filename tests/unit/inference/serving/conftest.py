from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.unit.inference.serving.world import World, running_world


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of bundles that are written once."""
    return tmp_path_factory.mktemp("bundles")


@pytest_asyncio.fixture
async def world(bundles: Path) -> AsyncIterator[World]:
    """A ranker with a release, and nothing in the store beside it."""
    async with running_world(bundles) as running:
        yield running


@pytest_asyncio.fixture
async def warm(world: World) -> World:
    """The same with item rows, a user with a history and a fresh row, pairs for some, and watermarks."""
    await world.fill_items()
    for offset, item in enumerate(["item-1", "item-6", "item-11"]):
        await world.click(item, offset)
    await world.refresh_user()
    await world.fill_pairs(["item-1", "item-2", "item-3"])
    await world.mark_caught_up()
    return world
