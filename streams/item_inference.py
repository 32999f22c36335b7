"""Item inference: item updates and misses -> item features and item rows, for every release that rows are written for.

python -m faust -A streams.item_inference worker
"""

import logging
from collections.abc import Sequence

from cache.store import StoreUnavailable
from inference.effects.items import answer_item_misses, apply_item_updates, repair_items
from inference.release import Release
from runtime.ids import ModelVersion
from runtime.logs import kv
from streams.agent import metrics
from streams.agent.app import AgentApp, AgentSpec, agent_app
from streams.agent.bench import Bench
from streams.agent.loop import AnyReceived, Effect, of_type
from streams.wire.codec import Tombstone
from streams.wire.events import ItemMiss, ItemUpdate
from streams.wire.record import Received
from streams.wire.topics import Topic

log = logging.getLogger(__name__)

REPAIR_EVERY_S = 1.0
REPAIR_RETRY_S = 30.0
TOPICS = (Topic.ITEM_UPDATES.value, Topic.ITEM_MISSES.value)


class ItemWorker:
    """Applies batches, and beside them keeps the rows of all releases whole: `tidy` once a second.

    The list of releases is up to a second old and may change under a batch. So every write looks again afterwards: it
    is repeated for releases that have come meanwhile, whose repair may have read the features before, and what it wrote
    for those that were retired is dropped. What was written before this process learnt of a retirement, `tidy` drops.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._repaired: set[ModelVersion] = set()
        self._known: set[ModelVersion] = set()  # versions that there may be rows of
        self._retry_at_s: dict[ModelVersion, float] = {}

    async def apply(self, received: Sequence[AnyReceived]) -> None:
        """Updates first: an item that was missed and is updated in the same batch is known."""
        num_updated = num_answered = 0
        applied: set[ModelVersion] | None = None
        while applied is None or not {release.model_version for release in await self._bench.releases()} <= applied:
            releases = await self._bench.releases()
            applied = {release.model_version for release in releases}
            self._known |= applied
            num_updated, num_answered = await self._write(releases, received)
            await self._drop_retired()
        metrics.effects.labels("item_updates").inc(num_updated)
        metrics.effects.labels("item_misses").inc(num_answered)

    async def tidy(self) -> None:
        """Drop the rows of retired versions, and write those that a release lacks; raises StoreUnavailable."""
        self._known |= set(self._bench.kept)
        await self._drop_retired()
        for release in self._bench.watcher.writable:
            version = release.model_version
            if version in self._repaired or self._bench.clock.monotonic() < self._retry_at_s.get(version, 0.0):
                continue
            try:
                num_items = await repair_items(self._bench.store, release, compute=self._bench.compute)
            except StoreUnavailable:
                raise
            except Exception as error:  # a broken staged release must not end the agent; the switch finds rows missing
                self._retry_at_s[version] = self._bench.clock.monotonic() + REPAIR_RETRY_S
                log.error(kv("release cannot be repaired", version=version, error=repr(error)))
                continue
            self._repaired.add(version)
            metrics.effects.labels("item_repairs").inc(num_items)
            log.info(kv("release has its item rows", version=version, repaired=num_items))

    async def _write(self, releases: Sequence[Release], received: Sequence[AnyReceived]) -> tuple[int, int]:
        store, compute = self._bench.store, self._bench.compute
        updates, deletions = of_type(received, ItemUpdate), of_type(received, Tombstone)
        changes: list[Received[ItemUpdate] | Received[Tombstone]] = [*updates, *deletions]
        num_updated = await apply_item_updates(store, releases, changes, compute=compute)
        misses = of_type(received, ItemMiss)
        return num_updated, await answer_item_misses(store, releases, misses, compute=compute)

    async def _drop_retired(self) -> None:
        for version in self._known - set(self._bench.kept):
            self._repaired.discard(version)  # if it is staged again, it is filled again
            await self._bench.store.drop_version(version)
            self._known.discard(version)
            log.info(kv("dropped the item rows of a retired release", version=version))


def item_inference(app: AgentApp) -> Effect:
    """One worker."""
    worker = ItemWorker(app.bench)
    app.repeat("item repair", REPAIR_EVERY_S, worker.tidy)
    return worker.apply


app = agent_app(AgentSpec("item-inference", TOPICS, TOPICS, 8011, item_inference))
