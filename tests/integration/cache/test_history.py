"""Behaviour histories: a bounded set, whatever order and batches its events come in."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cache.store import History, HistoryEvent, HistoryUpdate, Store
from runtime.ids import UserId
from tests.integration.cache.conftest import StoreMaker
from tests.integration.cache.rows import ALICE, BOB

LENGTH = 4
EVENT_IDS = ["a", "b", "B", "~", "é", "\U0001f600", "\uffee", "aa", "event-1", "event-2"]
EVENT_TIMES = {event_id: 1_700_000_000_000 + index // 3 for index, event_id in enumerate(EVENT_IDS)}  # with ties
fresh_users = (UserId(f"user-{number}") for number in itertools.count())


def event(event_id: str, time_ms: int, offset: int, payload: bytes = b"payload") -> HistoryEvent:
    return HistoryEvent(event_id, time_ms, offset, payload)


async def history_of(store: Store, user: UserId = ALICE) -> History:
    [history] = await store.read_histories([user])
    return history


async def test_unknown_user_has_an_empty_history(store: Store) -> None:
    assert await history_of(store) == History(ALICE, 0, (), 0)


async def test_events_come_back_oldest_first_by_event_time(store: Store) -> None:
    events = [event("x", 30, 0, b"third"), event("y", 10, 1, b"first"), event("z", 20, 2, b"second")]
    [result] = await store.apply_activity([HistoryUpdate(ALICE, events, want_history=True)])
    assert (result.rev, result.num_new) == (3, 3)
    assert result.history == History(ALICE, 3, (b"first", b"second", b"third"), 30)
    assert await history_of(store) == result.history


async def test_history_is_returned_only_when_wanted(store: Store) -> None:
    updates = [HistoryUpdate(ALICE, [event("x", 1, 0)]), HistoryUpdate(BOB, [event("x", 1, 7)], want_history=True)]
    alice, bob = await store.apply_activity(updates)
    assert alice.history is None
    assert bob.history == History(BOB, 8, (b"payload",), 1)


async def test_first_payload_of_an_event_id_stays(store: Store) -> None:
    await store.apply_activity([HistoryUpdate(ALICE, [event("x", 1, 0, b"first")])])
    [result] = await store.apply_activity([HistoryUpdate(ALICE, [event("x", 1, 9, b"second")], want_history=True)])
    assert result.num_new == 0
    assert result.history == History(ALICE, 1, (b"first",), 1)


async def test_only_the_newest_events_are_kept_and_late_ones_do_not_raise_rev(make_store: StoreMaker) -> None:
    store = make_store(2)
    await store.apply_activity([HistoryUpdate(ALICE, [event("a", 10, 0), event("b", 20, 1), event("c", 30, 2)])])
    [late] = await store.apply_activity([HistoryUpdate(ALICE, [event("d", 15, 3)], want_history=True)])
    assert (late.rev, late.num_new) == (3, 0)
    assert late.history is not None
    assert (len(late.history.payloads), late.history.as_of_ms) == (2, 30)


async def test_one_user_in_several_updates_of_a_call_is_updated_in_order(store: Store) -> None:
    updates = [HistoryUpdate(ALICE, [event("x", 1, offset, b"%d" % offset)]) for offset in range(3)]
    first, second, third = await store.apply_activity(updates)
    assert [first.num_new, second.num_new, third.num_new] == [1, 0, 0]
    assert (await history_of(store)).payloads == (b"0",)


async def test_rev_is_a_maximum_when_older_records_come_after_newer_ones(store: Store) -> None:
    await store.apply_activity([HistoryUpdate(ALICE, [event("newer", 50, 900)])])
    [result] = await store.apply_activity([HistoryUpdate(ALICE, [event("older", 40, 7)])])
    assert (result.rev, result.num_new) == (901, 1)


async def test_largest_times_and_offsets_stay_exact(store: Store) -> None:
    time_ms, offset = 1 << 52, (1 << 52) - 1
    [result] = await store.apply_activity([HistoryUpdate(ALICE, [event("x", time_ms, offset)], want_history=True)])
    assert result.history == History(ALICE, offset + 1, (b"payload",), time_ms)


async def test_payload_and_ids_may_be_any_bytes_and_text(store: Store) -> None:
    user, payload = UserId("{u}:~ \r\n\U0001f600"), bytes(range(256))
    await store.apply_activity([HistoryUpdate(user, [event("\x00 \r\n{~}", 5, 0, payload)])])
    assert await history_of(store, user) == History(user, 1, (payload,), 5)


async def test_shorter_length_trims_what_is_stored(make_store: StoreMaker, redis_settings: object) -> None:
    if redis_settings is None:
        pytest.skip("two stores in memory share no data")
    events = [event(str(number), number, number) for number in range(6)]
    await make_store(6).apply_activity([HistoryUpdate(ALICE, events)])
    [result] = await make_store(2).apply_activity([HistoryUpdate(ALICE, [events[0]], want_history=True)])
    assert (result.rev, result.num_new) == (6, 0)
    assert result.history is not None
    assert len(result.history.payloads) == 2


@dataclass
class Expected:
    """The definition, event by event: the newest LENGTH distinct events, rev of the last that changed them."""

    rev: int = 0
    num_new: int = 0
    kept: tuple[tuple[int, bytes, bytes], ...] = ()

    def see(self, new: HistoryEvent) -> None:
        place = (new.event_time_ms, new.event_id.encode(), new.payload)
        if any(place[1] == event_id for _, event_id, _ in self.kept):
            return
        kept = tuple(sorted([*self.kept, place])[-LENGTH:])
        if kept != self.kept:
            self.kept, self.rev, self.num_new = kept, new.offset + 1, self.num_new + 1


logs = st.lists(st.sampled_from(EVENT_IDS), min_size=1, max_size=24)


@given(log=logs, cuts=st.lists(st.integers(0, 24), max_size=4), replays=st.lists(st.integers(0, 24), max_size=4))
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
async def test_any_batches_and_replays_give_the_history_of_the_plain_log(
    make_store: StoreMaker, log: Sequence[str], cuts: Sequence[int], replays: Sequence[int]
) -> None:
    store, user = make_store(LENGTH), next(fresh_users)
    events = [event(name, EVENT_TIMES[name], offset, b"%d" % offset) for offset, name in enumerate(log)]
    bounds = [0, *sorted(min(cut, len(log)) for cut in cuts), len(log)]
    again = iter(replays)
    num_new, expected = 0, Expected()
    for start, end in itertools.pairwise(bounds):
        for seen in events[start:end]:
            expected.see(seen)
        replayed_from = min(next(again, start), start)
        updates = [HistoryUpdate(user, events[start:end]), HistoryUpdate(user, events[replayed_from:end])]
        applied, replayed = await store.apply_activity(updates)
        num_new += applied.num_new
        assert replayed.num_new == 0
        assert applied.rev == replayed.rev == expected.rev
    payloads = tuple(payload for _, _, payload in expected.kept)
    assert num_new == expected.num_new
    assert await history_of(store, user) == History(user, expected.rev, payloads, expected.kept[-1][0])
