"""Item inference: item updates and misses -> item features and item rows, for every release that rows are written for.

python -m faust -A streams.item_inference worker
"""

import logging
from collections.abc import Sequence

from inference.effects.items import answer_item_misses, apply_item_updates, repair_items
from runtime.ids import ModelVersion
from runtime.logs import kv
from streams.agent import metrics
from streams.agent.app import AgentApp, AgentSpec, agent_app
from streams.agent.loop import AnyReceived, Effect, of_type
from streams.wire.codec import Tombstone
from streams.wire.events import ItemMiss, ItemUpdate
from streams.wire.record import Received
from streams.wire.topics import Topic

log = logging.getLogger(__name__)

REPAIR_EVERY_S = 1.0
TOPICS = (Topic.ITEM_UPDATES.value, Topic.ITEM_MISSES.value)


def item_inference(app: AgentApp) -> Effect:
    """Updates first: an item that was missed and is updated in the same batch is known."""
    bench = app.bench
    repaired: set[ModelVersion] = set()

    async def repair() -> None:
        for release in bench.watcher.writable:
            if release.model_version not in repaired:
                num_items = await repair_items(bench.store, release, compute=bench.compute)
                repaired.add(release.model_version)
                metrics.effects.labels("item_repairs").inc(num_items)
                log.info(kv("release has its item rows", version=release.model_version, repaired=num_items))

    app.repeat("item repair", REPAIR_EVERY_S, repair)

    async def effect(received: Sequence[AnyReceived]) -> None:
        releases = await bench.releases()
        updates, deletions = of_type(received, ItemUpdate), of_type(received, Tombstone)
        changes: list[Received[ItemUpdate] | Received[Tombstone]] = [*updates, *deletions]
        num_updated = await apply_item_updates(bench.store, releases, changes, compute=bench.compute)
        misses = of_type(received, ItemMiss)
        num_answered = await answer_item_misses(bench.store, releases, misses, compute=bench.compute)
        metrics.effects.labels("item_updates").inc(num_updated)
        metrics.effects.labels("item_misses").inc(num_answered)

    return effect


app = agent_app(AgentSpec("item-inference", TOPICS, TOPICS, 8011, item_inference))
