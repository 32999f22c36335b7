"""Item rows and item features, in 64 buckets each."""

import struct
from collections.abc import Sequence
from typing import Final

from cache import keys
from cache.limits import check_row
from cache.redis_backend.buckets import Buckets
from cache.redis_backend.command import Argument, Command
from cache.redis_backend.part import Part
from cache.store import ItemWrite
from runtime.ids import NUM_BUCKETS, ItemId, ModelVersion, bucket_of

_REV: Final = struct.Struct("<Q")  # stands before the features; nothing behind it: deleted
_SCAN_COUNT: Final = 1000  # fields a step: a few hundred microseconds of the server's only thread


class Items(Part):
    """One script call a bucket and set of releases."""

    async def write_items(self, writes: Sequence[ItemWrite]) -> int:
        groups: dict[tuple[int, tuple[ModelVersion, ...]], list[ItemWrite]] = {}
        for write in writes:
            groups.setdefault((bucket_of(write.item), tuple(write.rows)), []).append(write)
        return sum(
            await self._link.run(
                [self._write_call(bucket, releases, members) for (bucket, releases), members in groups.items()]
            )
        )

    async def read_item_features(self, items: Sequence[ItemId]) -> list[bytes | None]:
        return [found[1] if found else None for found in await self.read_items(items)]

    async def read_items(self, items: Sequence[ItemId]) -> list[tuple[int, bytes | None] | None]:
        values = await self._read([keys.item_features(bucket) for bucket in range(NUM_BUCKETS)], items)
        return [(_REV.unpack_from(value)[0], value[_REV.size :] or None) if value else None for value in values]

    async def read_item_rows(self, release: ModelVersion, items: Sequence[ItemId]) -> list[bytes | None]:
        return await self._read(keys.all_item_rows(release), items)

    async def scan_items(self) -> list[tuple[ItemId, int, bytes | None]]:
        """Bucket by bucket; an item that changes meanwhile is seen as it was or as it is, once."""
        found: dict[ItemId, tuple[int, bytes | None]] = {}
        cursors: dict[int, int] = dict.fromkeys(range(NUM_BUCKETS), 0)
        while cursors:
            replies = await self._link.run(
                [("HSCAN", keys.item_features(bucket), at, "COUNT", _SCAN_COUNT) for bucket, at in cursors.items()]
            )
            for bucket, (cursor, members) in zip(list(cursors), replies, strict=True):
                for field, value in members.items():
                    found[ItemId(keys.decoded(field))] = (_REV.unpack_from(value)[0], value[_REV.size :] or None)
                cursors[bucket] = int(cursor)
            cursors = {bucket: cursor for bucket, cursor in cursors.items() if cursor}
        return [(item, rev, features) for item, (rev, features) in found.items()]

    async def drop_version(self, release: ModelVersion) -> None:
        commands: list[Command] = [("UNLINK", keys.ready(release))]
        for bucket in range(NUM_BUCKETS):
            commands.append(("UNLINK", keys.item_rows(release, bucket)))
            commands.append(("UNLINK", keys.item_negative(release, bucket)))
        await self._link.run(commands)

    def _write_call(self, bucket: int, releases: Sequence[ModelVersion], writes: Sequence[ItemWrite]) -> Command:
        named = [keys.item_features(bucket)]
        for release in releases:
            named += [keys.item_rows(release, bucket), keys.item_negative(release, bucket)]
        args: list[Argument] = []
        for write in writes:
            args += [keys.item_field(write.item), _REV.pack(write.rev) + (write.features or b""), write.ttl_ms or 0]
            args += [check_row(write.rows[release]) for release in releases]
        return self._scripts.call("items", named, args)

    async def _read(self, bucket_keys: Sequence[str], items: Sequence[ItemId]) -> list[bytes | None]:
        buckets = Buckets(items)
        return buckets.in_order(
            await self._link.run(
                [
                    ("HMGET", bucket_keys[bucket], *[keys.item_field(items[i]) for i in positions])
                    for bucket, positions in buckets.positions.items()
                ]
            )
        )
