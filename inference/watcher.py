"""Which releases are in use, as this process knows it: the store's word once a second, the bundles loaded."""

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cache.store import ReleaseState, Store, StoreRefused, StoreUnavailable
from inference.release import Release, load_release
from runtime.clock import Clock, SystemClock
from runtime.ids import ModelVersion
from runtime.logs import kv

log = logging.getLogger(__name__)

POLL_S = 1.0
RETRY_S = 10.0  # before a bundle that could not be loaded is tried again
STALE_S = 10.0  # without a word of the store for this long, what we know may be old


class ReleaseWatcher:
    """Polls the release state, keeps the last known, and holds live, staged and previous as loaded bundles.

    A version becomes `live` here in one assignment, after it is loaded and `on_loaded` (a warm-up, in the loader's
    thread) has returned; until then the old one stays. What `on_loaded` returns the log says of the release. With
    `ranker` set, every loaded version is acknowledged.
    """

    def __init__(
        self,
        store: Store,
        model: str,
        *,
        ranker: str | None = None,
        on_loaded: Callable[[Release], Mapping[str, str] | None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._store = store
        self._model = model
        self._ranker = ranker
        self._on_loaded = on_loaded
        self._clock = clock or SystemClock()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="release-loader")
        self._loaded: dict[str, Release] = {}
        self._retry_at_s: dict[str, float] = {}
        self._read_at_s: float | None = None
        self._told: set[str] = set()  # reasons that the log has since the last answer
        self.problem: str | None = None  # why the state cannot be read now
        self.state = ReleaseState()
        self.live: Release | None = None

    @property
    def staged(self) -> Release | None:
        return self._loaded.get(self.state.staged or "")

    @property
    def writable(self) -> list[Release]:
        """Loaded releases that rows are written for: live and staged."""
        return [self._loaded[version] for version in self.state.writable if version in self._loaded]

    @property
    def loaded(self) -> list[Release]:
        """Loaded releases of those that are kept: live, staged and previous."""
        return [self._loaded[version] for version in self.state.kept if version in self._loaded]

    @property
    def kept(self) -> list[ModelVersion]:
        """Versions whose rows stay: live, staged and previous, loaded or not."""
        return [ModelVersion(self._model, version) for version in self.state.kept]

    @property
    def stale(self) -> bool:
        """What serves is not what the store names as live, or the store has not been heard for `STALE_S`."""
        if self.live is None or self._read_at_s is None:
            return True
        unheard = self._clock.monotonic() - self._read_at_s > STALE_S
        return unheard or self.live.model_version.version != self.state.live

    async def refresh(self) -> None:
        """Read the state, load what is new, switch, acknowledge; raises StoreUnavailable."""
        try:
            state = await self._store.read_release(self._model)
        except (StoreUnavailable, StoreRefused) as error:
            self._tell(error)
            raise
        self.problem, self._read_at_s = None, self._clock.monotonic()
        self._told.clear()
        if state.live is None and self.state.live is not None:
            log.warning(kv("release state lost, keeping the last known", live=self.state.live))
            return
        self.state = state
        for version in state.kept:
            await self._load(version)
        if state.live in self._loaded:
            self._switch(self._loaded[state.live])
        serving = self.live.model_version.version if self.live else None
        self._loaded = {v: release for v, release in self._loaded.items() if v in state.kept or v == serving}
        await self._acknowledge()

    async def run(self) -> None:
        """Refresh for ever; what the store cannot say now it says later."""
        while True:
            with contextlib.suppress(StoreUnavailable, StoreRefused):  # `refresh` has said so
                await self.refresh()
            await asyncio.sleep(POLL_S)

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _tell(self, error: StoreUnavailable | StoreRefused) -> None:
        self.problem = str(error)
        reason = error.reason if isinstance(error, StoreUnavailable) else "refused"
        if reason not in self._told:
            self._told.add(reason)
            log.warning(kv("release state cannot be read, trying on", error=error))

    def _switch(self, release: Release) -> None:
        if release is not self.live:
            log.info(kv("release is live", version=release.model_version))
            self.live = release

    async def _load(self, version: str) -> None:
        if version in self._loaded or self._clock.monotonic() < self._retry_at_s.get(version, 0.0):
            return
        try:
            location, sha256 = _entry(self.state, version)
            loop = asyncio.get_running_loop()
            release, said = await loop.run_in_executor(self._executor, self._load_now, location, sha256)
        except Exception as error:  # whatever is wrong with a bundle, the process keeps the releases it has
            self._retry_at_s[version] = self._clock.monotonic() + RETRY_S
            log.error(kv("release not loaded", version=version, error=error))
            return
        log.info(kv("release loaded", version=release.model_version, **said))
        self._loaded[version] = release

    def _load_now(self, location: Path, sha256: str) -> tuple[Release, Mapping[str, str]]:
        release = load_release(location, sha256)
        said = None if self._on_loaded is None else self._on_loaded(release)
        return release, said or {}

    async def _acknowledge(self) -> None:
        if self._ranker is None:
            return
        for release in self._loaded.values():
            await self._store.acknowledge(release.model_version, self._ranker, self._clock.now_ms())


def _entry(state: ReleaseState, version: str) -> tuple[Path, str]:
    """Where the bundle of a version lies, and its hash; raises ValueError if the store does not say."""
    try:
        entry = json.loads(state.entries[version])
        return Path(entry["location"]), str(entry["sha256"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the store has no usable entry for version {version}: {error!r}") from None
