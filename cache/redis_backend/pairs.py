"""Pair rows, the user's aggregate, and the index of what is fresh or pending."""

import asyncio
from collections.abc import Sequence
from typing import Final

from cache import keys
from cache.aggregate import aggregate_row
from cache.limits import MAX_PAIRS, check_row
from cache.redis_backend.command import Argument, Command
from cache.redis_backend.part import Part
from cache.store import PairIndex, PairWrite
from runtime.ids import ItemId, ModelVersion, UserId

# Whoever is ahead of us remakes the aggregate as well: eight losses in a row leave it to the winner of the last.
_AGGREGATE_ATTEMPTS: Final = 8


class Pairs(Part):
    """Rows are decided inside Redis; the aggregate is made here from all of them and compared and set."""

    async def write_pairs(self, release: ModelVersion, writes: Sequence[PairWrite], ttl_ms: int) -> int:
        """1. Write the rows and read all members. 2. Store each aggregate, unless somebody has written since.
        3. Read the members and store again for those users, until none is left."""
        commands: list[Command] = []
        for write in writes:
            args: list[Argument] = [ttl_ms, MAX_PAIRS]
            for item, row in write.rows.items():
                args += [keys.item_field(item), check_row(row)]
            commands.append(self._scripts.call("pairs_write", _keys(release, write.user), args))
        # A user who stands in two writes is read after the last of them.
        users = list(dict.fromkeys(write.user for write in writes))
        replies = await self._link.run(commands + _reads(release, users))
        num_stored, members = sum(replies[: len(writes)]), replies[len(writes) :]
        for _ in range(_AGGREGATE_ATTEMPTS):
            users = await self._store_aggregates(release, users, members)
            if not users:
                break
            members = await self._link.run(_reads(release, users))
        return num_stored

    async def mark_pending(
        self, release: ModelVersion, user: UserId, items: Sequence[ItemId], expires_ms: int
    ) -> list[ItemId]:
        if not items:
            return []
        args: list[Argument] = [expires_ms, *[keys.item_field(item) for item in items]]
        [marked] = await self._link.run([self._scripts.call("pairs_pending", _keys(release, user), args)])
        return [items[position - 1] for position in marked]

    async def pair_index(self, release: ModelVersion, users: Sequence[UserId]) -> list[PairIndex]:
        commands = [self._scripts.call("pairs_index", [*_keys(release, user), keys.rev(user)], []) for user in users]
        return [_index(*reply) for reply in await self._link.run(commands)]

    async def _store_aggregates(
        self, release: ModelVersion, users: Sequence[UserId], members: Sequence[dict[bytes, bytes]]
    ) -> list[UserId]:
        """The users whose pairs were written since their members were read."""
        commands = []
        for user, found in zip(users, members, strict=True):
            rows = [row for field, row in found.items() if not field.startswith(keys.AGGREGATE_FIELD)]
            aggregate = aggregate_row(release, rows) or b""
            args: list[Argument] = [found.get(keys.WRITES_FIELD, b""), aggregate]
            commands.append(self._scripts.call("pairs_aggregate", [keys.pair_rows(release, user)], args))
            await asyncio.sleep(0)  # 512 rows take a millisecond: let the event loop breathe
        stored = await self._link.run(commands)
        return [user for user, done in zip(users, stored, strict=True) if not done]


def _keys(release: ModelVersion, user: UserId) -> list[str]:
    return [keys.pair_rows(release, user), keys.pair_index(release, user)]


def _reads(release: ModelVersion, users: Sequence[UserId]) -> list[Command]:
    return [("HGETALL", keys.pair_rows(release, user)) for user in users]


def _index(rev: bytes | None, stored: Sequence[bytes | int], pending: Sequence[bytes]) -> PairIndex:
    return PairIndex(
        rev=int(rev or 0),
        stored={_item(field): int(row_rev) for field, row_rev in zip(stored[::2], stored[1::2], strict=True)},
        pending={_item(field): int(float(at)) for field, at in zip(pending[::2], pending[1::2], strict=True)},
    )


def _item(field: bytes | int) -> ItemId:
    assert isinstance(field, bytes)
    return ItemId(keys.decoded(field))
