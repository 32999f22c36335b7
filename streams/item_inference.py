"""Item inference: item updates and misses -> item features and item rows, for every release that rows are written for.

python -m faust -A streams.item_inference worker
"""

from collections.abc import Sequence

from inference.effects.items import answer_item_misses, apply_item_updates
from streams.agent import metrics
from streams.agent.app import AgentApp, AgentSpec, agent_app
from streams.agent.loop import AnyReceived, Effect, of_type
from streams.wire.codec import Tombstone
from streams.wire.events import ItemMiss, ItemUpdate
from streams.wire.record import Received
from streams.wire.topics import Topic

TOPICS = (Topic.ITEM_UPDATES.value, Topic.ITEM_MISSES.value)


def item_inference(app: AgentApp) -> Effect:
    """Updates first: an item that was missed and is updated in the same batch is known."""
    bench = app.bench

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
