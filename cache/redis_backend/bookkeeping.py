"""Watermarks, epochs, and whether the store answers."""

from collections.abc import Mapping

from cache import keys
from cache.limits import ACTIVE_KEPT_MS
from cache.redis_backend.command import Argument
from cache.redis_backend.part import Part
from runtime import clock
from runtime.ids import NUM_BUCKETS


class Bookkeeping(Part):
    """What the agents note about themselves and about the store."""

    async def write_watermarks(self, topic: str, partitions: Mapping[int, int]) -> None:
        args: list[Argument] = []
        for partition, ms in partitions.items():
            args += [partition, ms]
        await self._link.run([self._scripts.call("watermarks", [keys.watermark(topic)], args)])

    async def publish_capacity(self, name: str, worker: str, per_s: float, ttl_ms: int) -> None:
        key, expires_ms = keys.capacity(name), clock.now_ms() + ttl_ms
        life_ms = max(ttl_ms, ACTIVE_KEPT_MS)  # of all workers' entries, each of which has its own end
        await self._link.run([("HSET", key, worker, f"{per_s} {expires_ms}"), ("PEXPIRE", key, life_ms)])

    async def read_capacity(self, name: str) -> float:
        [reply] = await self._link.run([("HGETALL", keys.capacity(name))])
        now_ms = clock.now_ms()
        entries = [value.decode().split() for value in reply.values()]
        return sum(float(per_s) for per_s, expires_ms in entries if int(expires_ms) > now_ms)

    async def set_epochs(self, value: str) -> None:
        await self._link.run([("SET", keys.epoch(bucket), value) for bucket in range(NUM_BUCKETS)])

    async def missing_epochs(self) -> list[int]:
        found = await self._link.run([("EXISTS", keys.epoch(bucket)) for bucket in range(NUM_BUCKETS)])
        return [bucket for bucket, exists in enumerate(found) if not exists]

    async def ping(self) -> None:
        await self._link.ping()

    async def close(self) -> None:
        await self._link.close()
