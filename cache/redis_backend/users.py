"""Histories, user rows, and who has been active."""

from collections.abc import Mapping, Sequence

from cache import keys
from cache.limits import ACTIVE_KEPT_MS, check_row
from cache.redis_backend.buckets import Buckets
from cache.redis_backend.command import Argument, Command
from cache.redis_backend.link import Reply
from cache.redis_backend.part import Part
from cache.store import History, HistoryResult, HistoryUpdate, UserRowWrite
from runtime.ids import NUM_BUCKETS, ModelVersion, UserId


class Users(Part):
    """One script call a user; users are independent of each other."""

    async def apply_activity(self, updates: Sequence[HistoryUpdate]) -> list[HistoryResult]:
        replies = await self._link.run([self._history_call(update) for update in updates])
        return [
            HistoryResult(
                update.user, reply[0], reply[1], _history(update.user, reply) if update.want_history else None
            )
            for update, reply in zip(updates, replies, strict=True)
        ]

    async def read_histories(self, users: Sequence[UserId]) -> list[History]:
        results = await self.apply_activity([HistoryUpdate(user, (), want_history=True) for user in users])
        return [result.history for result in results if result.history is not None]

    async def write_user_rows(self, writes: Sequence[UserRowWrite], kept: Sequence[ModelVersion], ttl_ms: int) -> int:
        fields = [keys.release_field(release) for release in kept]
        commands = []
        for write in writes:
            args: list[Argument] = [ttl_ms, len(fields), *fields]
            for release, row in write.rows.items():
                args += [keys.release_field(release), check_row(row)]
            commands.append(self._scripts.call("user_rows", [keys.user_rows(write.user)], args))
        return sum(await self._link.run(commands))

    async def read_user_rows(self, release: ModelVersion, users: Sequence[UserId]) -> list[bytes | None]:
        field = keys.release_field(release)
        return await self._link.run([("HGET", keys.user_rows(user), field) for user in users])

    async def touch_active(self, users: Mapping[UserId, int]) -> None:
        named = list(users)
        commands = []
        for bucket, positions in Buckets(named).positions.items():
            args: list[Argument] = [ACTIVE_KEPT_MS]
            for position in positions:
                args += [users[named[position]], keys.encoded(named[position])]
            commands.append(self._scripts.call("active", [keys.active(bucket)], args))
        await self._link.run(commands)

    async def active_since(self, users: Sequence[UserId], since_ms: int) -> list[bool]:
        buckets = Buckets(users)
        replies = await self._link.run(
            [
                ("ZMSCORE", keys.active(bucket), *[keys.encoded(users[i]) for i in positions])
                for bucket, positions in buckets.positions.items()
            ]
        )
        return [score is not None and float(score) >= since_ms for score in buckets.in_order(replies)]

    async def active_users(self, since_ms: int) -> list[UserId]:
        replies = await self._link.run(
            [("ZRANGEBYSCORE", keys.active(bucket), since_ms, "+inf") for bucket in range(NUM_BUCKETS)]
        )
        return [UserId(keys.decoded(member)) for reply in replies for member in reply]

    def _history_call(self, update: HistoryUpdate) -> Command:
        args: list[Argument] = [self._history_length, int(update.want_history)]
        for event in update.events:
            args += [event.event_id, event.event_time_ms, event.offset, event.payload]
        user = update.user
        return self._scripts.call("history", [keys.history(user), keys.events(user), keys.rev(user)], args)


def _history(user: UserId, reply: Reply) -> History:
    rev, _, payloads, as_of_ms = reply
    return History(user, rev, tuple(payloads), as_of_ms)
