"""What an agent works with: store, releases, the thread that computes, the producer; made in the worker's loop."""

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import torch

from cache.redis_store import Profile, RedisStore
from cache.store import Store
from inference.effects.compute import Compute, InExecutor
from inference.release import Release
from inference.watcher import ReleaseWatcher
from runtime.clock import Clock, SystemClock
from runtime.ids import ModelVersion
from runtime.settings import kafka_settings, model_name, redis_settings
from streams.agent.loop import NotReady
from streams.agent.settings import AgentSettings
from streams.wire.producer import Producer

log = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 5.0


class Bench:
    """One per process, for one event loop."""

    def __init__(
        self, store: Store, watcher: ReleaseWatcher, producer: Producer, executor: ThreadPoolExecutor, clock: Clock
    ) -> None:
        self.store = store
        self.watcher = watcher
        self.producer = producer
        self.clock = clock
        self.compute: Compute = InExecutor(executor)
        self._executor = executor
        self._looked = False

    async def releases(self) -> Sequence[Release]:
        """Releases that rows are written for; raises NotReady while the live one is named but cannot be loaded.

        Without any release the agents still keep histories and features.
        """
        if not self._looked:
            await self.watcher.refresh()  # raises StoreUnavailable: the first batch waits for it
            self._looked = True
        live = self.watcher.state.live
        releases = self.watcher.writable
        if live is not None and live not in {release.model_version.version for release in releases}:
            raise NotReady("release", f"version {live} is live and not loaded")
        return releases

    @property
    def kept(self) -> Sequence[ModelVersion]:
        """Versions whose rows stay."""
        return self.watcher.kept

    async def close(self) -> None:
        """Deliver what is queued and leave Kafka and Redis."""
        self.watcher.close()
        self._executor.shutdown(wait=False, cancel_futures=True)
        await asyncio.get_running_loop().run_in_executor(None, self.producer.close, CLOSE_TIMEOUT_S)
        await self.store.close()


def open_bench(name: str, settings: AgentSettings, clock: Clock | None = None) -> Bench:
    """A bench as the environment says; nothing is connected before it is first used."""
    clock = clock or SystemClock()
    torch.set_num_threads(settings.num_threads)
    store = RedisStore.connect(redis_settings(), Profile.AGENT, settings.history_length)
    watcher = ReleaseWatcher(store, model_name(), clock=clock)
    producer = Producer(kafka_settings(), source=f"solaris/{name}")
    executor = ThreadPoolExecutor(1, thread_name_prefix="compute")
    return Bench(store, watcher, producer, executor, clock)
