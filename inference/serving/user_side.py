"""Which representation of the user a request gets: direct, computed, failover or default."""

import asyncio
from dataclasses import dataclass, field

from cache.policy import UserBounds, UserState, classify_user
from cache.row import DecodedRows
from cache.store import Hydrated, StoreUnavailable
from inference.manifest import Manifest
from inference.release import Release
from inference.serving.degrade import Reason
from inference.serving.hydration import DEFAULT_USER, User, UserSource, decode_user, user_of
from inference.serving.reporter import Reporter
from inference.serving.user_rows import TooManyWaiting, UserRows
from runtime.clock import Clock
from runtime.ids import UserId


@dataclass(frozen=True, slots=True)
class Settled:
    """The user's side of a request, and the rungs of the ladder it stands on."""

    user: User
    reasons: list[Reason] = field(default_factory=list)


class UserSide:
    """Decides by `cache.policy`, computes through `UserRows`, reports what user refresh had not done."""

    def __init__(self, rows: UserRows, reporter: Reporter, clock: Clock) -> None:
        self._rows = rows
        self._reporter = reporter
        self._clock = clock

    async def settle(self, release: Release, user: UserId, found: Hydrated, budget_s: float | None) -> Settled:
        """The best representation there is within `budget_s` (None: however long it takes); never raises."""
        manifest, now_ms = release.manifest, self._clock.now_ms()
        stored = None if found.user_row is None else decode_user(found.user_row, manifest, now_ms)
        reasons = [Reason.ROWS_CORRUPT] if stored is not None and bool(stored.corrupt[0]) else []
        state = _state(stored, found.rev, now_ms, manifest)
        if stored is not None and state is UserState.DIRECT:
            return Settled(user_of(stored, UserSource.DIRECT, manifest, now_ms), reasons)
        if found.rev == 0:
            return Settled(DEFAULT_USER, reasons)
        self._reporter.missing_user(release.model_version, user)
        row = await self._compute(release, user, budget_s)
        if row is not None:
            computed = decode_user(row, manifest, now_ms)
            return Settled(user_of(computed, UserSource.COMPUTED, manifest, now_ms), reasons)
        if stored is not None and state is UserState.FAILOVER:
            failover = user_of(stored, UserSource.FAILOVER, manifest, now_ms)
            return Settled(failover, [*reasons, Reason.USER_FAILOVER])
        return Settled(DEFAULT_USER, [*reasons, Reason.USER_DEFAULT])

    async def drain(self, timeout_s: float) -> None:
        """Wait for rows that are being computed or written."""
        await self._rows.drain(timeout_s)

    async def _compute(self, release: Release, user: UserId, budget_s: float | None) -> bytes | None:
        try:
            async with asyncio.timeout(budget_s):
                return await self._rows.compute(release, user)
        except (StoreUnavailable, TimeoutError, TooManyWaiting):
            return None
        except Exception:  # logged and counted by UserRows; the request goes on with what there is
            return None


def _state(stored: DecodedRows | None, history_rev: int, now_ms: int, manifest: Manifest) -> UserState:
    if stored is None or not stored.present[0]:
        return UserState.ABSENT
    bounds = UserBounds(manifest.user_fresh_ms, manifest.user_failover_ms)
    return classify_user(int(stored.rev[0]), int(stored.computed_ms[0]), history_rev, now_ms, bounds)
