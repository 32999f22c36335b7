"""What the ranker reads while a request waits: one round trip, no retries."""

from collections.abc import Sequence

from cache import keys
from cache.redis_backend.buckets import Buckets
from cache.redis_backend.command import Command
from cache.redis_backend.part import Part
from cache.store import Hydrated
from runtime.ids import ItemId, ModelVersion, UserId


class Requests(Part):
    """Hydration and watermarks."""

    async def hydrate(self, release: ModelVersion, user: UserId, items: Sequence[ItemId]) -> Hydrated:
        """Everything one request needs. A key of the wrong type is a miss: the request is answered all the same."""
        fields = keys.item_fields(items)
        buckets = Buckets(items)
        commands: list[Command] = [
            ("GET", keys.rev(user)),
            ("HGET", keys.user_rows(user), keys.release_field(release)),
            ("HMGET", keys.pair_rows(release, user), keys.AGGREGATE_FIELD, *fields),
        ]
        bucket_keys = keys.all_item_rows(release)
        for bucket, positions in buckets.positions.items():
            commands.append(("HMGET", bucket_keys[bucket], *[fields[i] for i in positions]))
        rev, user_row, pairs, *item_rows = await self._link.run(commands, refused="none")
        pairs = pairs or [None] * (1 + len(items))
        return Hydrated(int(rev or 0), user_row, buckets.in_order(item_rows), pairs[1:], pairs[0])

    async def read_watermarks(self, topics: Sequence[str]) -> dict[str, dict[int, int]]:
        replies = await self._link.run([("HGETALL", keys.watermark(topic)) for topic in topics])
        return {
            topic: {int(partition): int(ms) for partition, ms in reply.items()}
            for topic, reply in zip(topics, replies, strict=True)
        }
