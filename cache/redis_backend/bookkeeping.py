"""Watermarks, epochs, and whether the store answers."""

from collections.abc import Mapping

from cache import keys
from cache.redis_backend.command import Argument
from cache.redis_backend.part import Part
from runtime.ids import NUM_BUCKETS


class Bookkeeping(Part):
    """What the agents note about themselves and about the store."""

    async def write_watermarks(self, topic: str, partitions: Mapping[int, int]) -> None:
        args: list[Argument] = []
        for partition, ms in partitions.items():
            args += [partition, ms]
        await self._link.run([self._scripts.call("watermarks", [keys.watermark(topic)], args)])

    async def set_epochs(self, value: str) -> None:
        await self._link.run([("SET", keys.epoch(bucket), value) for bucket in range(NUM_BUCKETS)])

    async def missing_epochs(self) -> list[int]:
        found = await self._link.run([("EXISTS", keys.epoch(bucket)) for bucket in range(NUM_BUCKETS)])
        return [bucket for bucket, exists in enumerate(found) if not exists]

    async def ping(self) -> None:
        await self._link.ping()

    async def close(self) -> None:
        await self._link.close()
