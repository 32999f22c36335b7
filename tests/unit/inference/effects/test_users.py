"""What activity, retrievals and misses leave in the store."""

from typing import NoReturn

import numpy as np
import pytest

from cache.memory import MemoryStore
from cache.row import RowKind, decode_rows, rev_of, times_of, width_of
from inference.effects.users import (
    ACTIVE_WINDOW_MS,
    UNKNOWN_TTL_MS,
    UserChanges,
    answer_user_misses,
    apply_activity,
    refresh_stale,
    touch_users,
    users_of,
)
from inference.history import decode_event
from inference.release import Release
from inference.user_row import encode_user_rows
from runtime.clock import ManualClock
from runtime.ids import ModelVersion, UserId
from streams.wire.events import Activity, Retrieval
from streams.wire.record import Received
from tests.unit.inference.effects.conftest import NOW_MS, received

ANN, BOB = UserId("ann"), UserId("bob")


def activity(user: str, number: int, kind: str = "click", item: str = "item-1") -> Activity:
    return Activity(
        event_id=f"{user}-{number}", event_time_ms=NOW_MS - 1_000 + number, user_id=user, item_id=item, kind=kind,
        request_id="r", position=0,
    )  # fmt: skip


def retrieval(user: str) -> Retrieval:
    return Retrieval(event_id=f"r-{user}", event_time_ms=NOW_MS, type="started", request_id="r", user_id=user)


def kept(releases: list[Release]) -> list[ModelVersion]:
    return [release.model_version for release in releases]


async def apply(store: MemoryStore, releases: list[Release], *events: Activity, first: int = 0) -> UserChanges:
    return await apply_activity(store, releases, received(*events, first=first), kept=kept(releases), now_ms=NOW_MS)


async def retrieve(store: MemoryStore, releases: list[Release], batch: list[Received[Retrieval]]) -> UserChanges:
    await touch_users(store, batch)
    return await refresh_stale(store, releases, users_of(batch), kept=kept(releases))


async def row_of(store: MemoryStore, release: Release, user: UserId = ANN) -> bytes | None:
    return (await store.read_user_rows(release.model_version, [user]))[0]


async def test_what_a_user_did_enters_the_history_and_impressions_do_not(
    store: MemoryStore, releases: list[Release]
) -> None:
    kinds = ["impression", "click", "conversion", "rating", "wishlist"]
    changes = await apply(store, releases, *[activity(ANN, i, kind) for i, kind in enumerate(kinds)])
    [history] = await store.read_histories([ANN])
    assert [decode_event(payload).kind for payload in history.payloads] == ["click", "conversion", "rating"]
    assert (changes.num_events, history.rev, history.as_of_ms) == (3, 4, NOW_MS - 997)


async def test_rows_are_refreshed_for_active_users_alone(store: MemoryStore, releases: list[Release]) -> None:
    await store.touch_active({ANN: NOW_MS - ACTIVE_WINDOW_MS, BOB: NOW_MS - ACTIVE_WINDOW_MS - 1})
    changes = await apply(store, releases, activity(ANN, 1), activity(BOB, 1))
    assert changes.refreshed == {ANN}
    assert await row_of(store, releases[0], BOB) is None
    for release in releases:
        row = await row_of(store, release)
        [history] = await store.read_histories([ANN])
        version, width = release.model_version, release.manifest.user_width
        stored = decode_rows([row], RowKind.USER, version, width, NOW_MS)
        expected = decode_rows(encode_user_rows(release, [history]), RowKind.USER, version, width, NOW_MS)
        assert stored.present.all()
        np.testing.assert_array_equal(stored.values, expected.values)
        assert (stored.rev[0], stored.as_of_ms[0]) == (history.rev, history.as_of_ms)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 1, 0, 2, 2)])
async def test_batches_in_any_order_and_any_number_of_times_give_one_history(
    store: MemoryStore, releases: list[Release], order: tuple[int, ...]
) -> None:
    batches = [[activity(ANN, 10 * b + i) for i in range(3)] for b in range(3)]
    for b in order:
        await apply(store, releases, *batches[b], first=3 * b)
    [history] = await store.read_histories([ANN])
    assert [decode_event(p).event_time_ms for p in history.payloads] == [
        event.event_time_ms for batch in batches for event in batch
    ]
    assert history.rev == 9


async def test_a_batch_that_comes_again_because_its_rows_were_not_written_writes_them(
    store: MemoryStore, releases: list[Release]
) -> None:
    await store.touch_active({ANN: NOW_MS})
    await apply(store, [], activity(ANN, 1))
    assert await row_of(store, releases[0]) is None
    changes = await apply(store, releases, activity(ANN, 1))
    assert changes.num_events == 0
    assert rev_of(await row_of(store, releases[0])) == 1


async def test_a_retrieval_refreshes_a_row_that_is_older_than_the_history_and_leaves_others(
    store: MemoryStore, releases: list[Release], clock: ManualClock
) -> None:
    await apply(store, releases, activity(ANN, 1), activity(BOB, 1))
    batch = received(retrieval(ANN), retrieval(ANN), retrieval("nobody"))
    changes = await retrieve(store, releases, batch)
    assert changes.refreshed == {ANN}
    first = await row_of(store, releases[0])
    clock.advance(5)
    assert (await retrieve(store, releases, batch)).refreshed == frozenset()
    assert await row_of(store, releases[0]) == first
    assert await row_of(store, releases[0], UserId("nobody")) is None
    assert await store.active_since([ANN, BOB], NOW_MS) == [True, False]


async def test_a_staged_release_without_a_row_makes_the_users_rows_stale(
    store: MemoryStore, releases: list[Release]
) -> None:
    live, staged = releases
    await store.touch_active({ANN: NOW_MS})
    await apply(store, [live], activity(ANN, 1))
    changes = await retrieve(store, releases, received(retrieval(ANN)))
    assert changes.refreshed == {ANN}
    assert rev_of(await row_of(store, staged)) == rev_of(await row_of(store, live)) == 1


async def test_a_missed_user_is_computed_again_even_where_a_row_is_there(
    store: MemoryStore, releases: list[Release], clock: ManualClock
) -> None:
    await store.touch_active({ANN: NOW_MS})
    await apply(store, releases, activity(ANN, 1))
    clock.advance(5)
    changes = await answer_user_misses(store, releases, [ANN], kept=kept(releases))
    assert changes.refreshed == {ANN}
    row = await row_of(store, releases[0])
    assert row is not None
    assert times_of(row)[0] == NOW_MS + 5_000


async def test_an_unknown_user_is_answered_for_a_minute_until_the_first_event(
    store: MemoryStore, releases: list[Release], clock: ManualClock
) -> None:
    await answer_user_misses(store, releases, [ANN], kept=kept(releases))
    row = await row_of(store, releases[0])
    assert row is not None
    assert (width_of(row), rev_of(row)) == (0, 0)
    clock.advance(UNKNOWN_TTL_MS / 1000)
    assert await row_of(store, releases[0]) is None
    await answer_user_misses(store, releases, [ANN], kept=kept(releases))
    await store.touch_active({ANN: NOW_MS})
    await apply(store, releases, activity(ANN, 1))
    assert width_of(await row_of(store, releases[0]) or b"") > 0


async def test_versions_that_are_not_kept_lose_their_rows(store: MemoryStore, releases: list[Release]) -> None:
    live, staged = releases
    await store.touch_active({ANN: NOW_MS})
    await apply(store, releases, activity(ANN, 1))
    await apply(store, [staged], activity(ANN, 2), first=1)
    assert await row_of(store, live) is None
    assert rev_of(await row_of(store, staged)) == 2


async def test_a_staged_release_that_cannot_encode_costs_the_live_one_nothing(
    store: MemoryStore, releases: list[Release], monkeypatch: pytest.MonkeyPatch
) -> None:
    live, staged = releases

    def fail(_: object) -> NoReturn:
        raise RuntimeError("this tower is broken")

    monkeypatch.setattr(staged, "user_rows", fail)
    await store.touch_active({ANN: NOW_MS})
    await apply(store, releases, activity(ANN, 1))
    assert rev_of(await row_of(store, live)) == 1
    assert await row_of(store, staged) is None
