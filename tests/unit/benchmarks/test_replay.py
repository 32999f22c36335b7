"""The plain replay that the store is held against: its rules in the smallest cases."""

import json

from benchmarks.replay import PlainHistory, replay_activity, replay_items
from streams.wire.record import Record


def record(offset: int, value: object, key: str = "u") -> Record:
    data = None if value is None else json.dumps(value).encode()
    return Record("topic", 0, offset, 0, key.encode(), data)


def event(event_id: str, time_ms: int, kind: str = "click") -> dict[str, object]:
    return {"event_id": event_id, "event_time_ms": time_ms, "user_id": "u", "item_id": "i", "kind": kind}


def test_events_are_kept_in_the_order_of_their_times() -> None:
    history = replay_activity([record(0, event("a", 20)), record(1, event("b", 10))], 5)["u"]
    assert history.payloads == (b'["i","click",null,10]', b'["i","click",null,20]')
    assert (history.rev, history.as_of_ms) == (2, 20)


def test_an_event_that_comes_again_changes_nothing() -> None:
    history = replay_activity([record(0, event("a", 20)), record(1, event("a", 30))], 5)["u"]
    assert (history.payloads, history.rev) == ((b'["i","click",null,20]',), 1)


def test_the_oldest_leave_and_what_is_older_still_changes_nothing() -> None:
    history = PlainHistory(2)
    for offset, (name, time_ms) in enumerate([("a", 10), ("b", 20), ("c", 30), ("d", 5)]):
        history.add(name.encode(), time_ms, offset, name.encode())
    assert (history.payloads, history.rev) == ((b"b", b"c"), 3)


def test_equal_times_are_ordered_by_id() -> None:
    history = PlainHistory(1)
    history.add(b"b", 10, 0, b"b")
    history.add(b"a", 10, 1, b"a")
    assert (history.payloads, history.rev) == ((b"b",), 1)


def test_impressions_are_no_history() -> None:
    assert replay_activity([record(0, event("a", 20, "impression"))], 5) == {}


def test_the_newest_update_of_an_item_stays_and_a_null_deletes() -> None:
    items = replay_items([record(0, {"features": {"p": 1}}, "i"), record(1, {"features": {"p": 2}}, "i")])
    assert (items["i"].rev, items["i"].features) == (2, {"p": 2})
    assert replay_items([record(4, None, "i")])["i"].features is None
