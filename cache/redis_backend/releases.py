"""Which versions of a model are in use, and which rankers have loaded them."""

from typing import Final

from cache import keys
from cache.limits import ACTIVE_KEPT_MS
from cache.redis_backend.command import Argument
from cache.redis_backend.part import Part
from cache.store import ReleaseState
from runtime.ids import ModelVersion

_ENTRY: Final = "entry:"


class Releases(Part):
    """The hash of a model, changed by compare-and-set alone."""

    async def read_release(self, model: str) -> ReleaseState:
        [reply] = await self._link.run([("HGETALL", keys.release(model))])
        fields = {name.decode(): value.decode() for name, value in reply.items()}
        return ReleaseState(
            live=fields.get("live"),
            staged=fields.get("staged"),
            previous=fields.get("previous"),
            entries={name.removeprefix(_ENTRY): v for name, v in fields.items() if name.startswith(_ENTRY)},
        )

    async def change_release(self, model: str, expected: ReleaseState, new: ReleaseState) -> bool:
        args: list[Argument] = [expected.live or "", expected.staged or "", expected.previous or ""]
        for name, version in (("live", new.live), ("staged", new.staged), ("previous", new.previous)):
            if version:
                args += [name, version]
        for version, entry in new.entries.items():
            args += [_ENTRY + version, entry]
        [changed] = await self._link.run([self._scripts.call("release", [keys.release(model)], args)])
        return bool(changed)

    async def acknowledge(self, release: ModelVersion, ranker: str, now_ms: int) -> None:
        key = keys.ready(release)
        await self._link.run(
            [("ZADD", key, "GT", now_ms, ranker), ("ZREMRANGEBYSCORE", key, "-inf", now_ms - ACTIVE_KEPT_MS)]
        )

    async def acknowledged(self, release: ModelVersion, since_ms: int) -> list[str]:
        [reply] = await self._link.run([("ZRANGEBYSCORE", keys.ready(release), since_ms, "+inf")])
        return [ranker.decode() for ranker in reply]
