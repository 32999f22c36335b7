"""Every event survives the wire; whatever else arrives is rejected by name and never raises."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.wire.codec import (
    MAX_AHEAD_MS,
    Reason,
    Rejection,
    Tombstone,
    decode,
    decode_value,
    encode,
    key_of,
)
from streams.wire.events import Event
from streams.wire.record import Record
from streams.wire.topics import Topic
from tests.unit.streams.wire.events import EVENTS, NOW_MS

ACTIVITY = {
    "event_id": "e1",
    "event_time_ms": NOW_MS,
    "user_id": "7",
    "item_id": "12",
    "kind": "click",
    "request_id": "r1",
    "position": 0,
}


def record(topic: str, key: bytes | None, value: bytes | None, append_time_ms: int = NOW_MS) -> Record:
    return Record(topic, 0, 0, append_time_ms, key, value)


def activity(key: bytes | None = b"7", **changes: Any) -> Record:  # Any: wrong types are the point
    fields = {name: value for name, value in (ACTIVITY | changes).items() if value is not ...}
    return record(Topic.USER_ACTIVITY, key, json.dumps(fields).encode())


@given(st.sampled_from(list(EVENTS)).flatmap(lambda topic: st.tuples(st.just(topic), EVENTS[topic])))
def test_every_event_comes_back_equal(case: tuple[Topic, Event]) -> None:
    topic, event = case
    arrived = record(topic, key_of(topic, event).encode(), encode(event))
    decoded = decode(topic, arrived)
    if len(key_of(topic, event).encode()) <= 256:
        assert decoded == event


@given(st.sampled_from(list(Topic)), st.none() | st.binary(max_size=300), st.none() | st.binary(max_size=300))
def test_no_bytes_make_decode_raise(topic: Topic, key: bytes | None, value: bytes | None) -> None:
    decoded = decode(topic, record(topic, key, value))
    assert isinstance(decoded, Rejection | Tombstone)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300)
@given(
    st.sampled_from(list(EVENTS)).flatmap(lambda topic: st.tuples(st.just(topic), EVENTS[topic])),
    st.data(),
)
def test_an_event_with_a_field_replaced_is_read_or_rejected_and_never_raises(
    case: tuple[Topic, Event], data: st.DataObject
) -> None:
    topic, event = case
    fields = json.loads(encode(event))
    fields[data.draw(st.sampled_from(sorted(fields)))] = data.draw(json_values)
    decoded = decode(topic, record(topic, key_of(topic, event).encode(), json.dumps(fields).encode()))
    assert isinstance(decoded, Event | Rejection)
    if isinstance(decoded, Event):
        assert decode_value(topic, encode(decoded)) == decoded  # what was accepted can be written again


@pytest.mark.parametrize(
    ("arrived", "reason", "detail"),
    [
        pytest.param(activity(key=None), Reason.NULL_KEY, "no key", id="null key"),
        pytest.param(activity(key=b""), Reason.BAD_KEY, "empty", id="empty key"),
        pytest.param(activity(key=b"\xff\xfe"), Reason.BAD_KEY, "UTF-8", id="key not UTF-8"),
        pytest.param(activity(key=b"k" * 257), Reason.ID_TOO_LONG, "257 bytes", id="key too long"),
        pytest.param(activity(key=b"8"), Reason.KEY_MISMATCH, "user_id", id="key of another user"),
        pytest.param(activity(user_id=7), Reason.WRONG_TYPE, "`user_id", id="number as id"),
        pytest.param(activity(user_id=""), Reason.WRONG_TYPE, "`user_id", id="empty id"),
        pytest.param(activity(event_time_ms="now"), Reason.WRONG_TYPE, "`event_time_ms", id="text as time"),
        pytest.param(activity(event_time_ms=1.5), Reason.WRONG_TYPE, "`event_time_ms", id="fraction as time"),
        pytest.param(activity(event_time_ms=-1), Reason.WRONG_TYPE, "`event_time_ms", id="before the epoch"),
        pytest.param(activity(event_time_ms=10**400), Reason.WRONG_TYPE, "`event_time_ms", id="a huge number"),
        pytest.param(activity(context={"a": 10**30}), Reason.WRONG_TYPE, "`context", id="a huge number inside"),
        pytest.param(activity(value=1e12), Reason.WRONG_TYPE, "`value", id="value out of range"),
        pytest.param(activity(position=-1), Reason.WRONG_TYPE, "`position", id="negative position"),
        pytest.param(activity(item_id=...), Reason.MISSING_FIELD, "item_id", id="no item"),
        pytest.param(activity(request_id=...), Reason.MISSING_FIELD, "request_id", id="click without a request"),
        pytest.param(activity(kind="rating", position=...), None, "", id="rating without a position"),
        pytest.param(activity(item_id="i" * 257), Reason.ID_TOO_LONG, "item_id has 257 bytes", id="id of 257"),
        pytest.param(activity(item_id="ü" * 200), Reason.ID_TOO_LONG, "item_id has 400 bytes", id="id of 400 bytes"),
        pytest.param(activity(event_time_ms=NOW_MS + MAX_AHEAD_MS + 1), Reason.FUTURE, "60001 ms", id="future"),
        pytest.param(activity(event_time_ms=NOW_MS + MAX_AHEAD_MS), None, "", id="a minute ahead"),
        pytest.param(activity(event_time_ms=1), None, "", id="long ago"),
        pytest.param(record(Topic.USER_ACTIVITY, b"7", None), Reason.NULL_VALUE, "null", id="null activity"),
        pytest.param(record(Topic.USER_ACTIVITY, b"7", b""), Reason.NOT_JSON, "", id="empty"),
        pytest.param(record(Topic.USER_ACTIVITY, b"7", b"not json"), Reason.NOT_JSON, "", id="not JSON"),
        pytest.param(record(Topic.USER_ACTIVITY, b"7", b'{"a": NaN}'), Reason.NOT_JSON, "", id="NaN"),
        pytest.param(record(Topic.USER_ACTIVITY, b"7", b'{"event_id":"\xff"}'), Reason.NOT_JSON, "", id="not UTF-8"),
        pytest.param(record(Topic.USER_ACTIVITY, b"7", b"[" * 100_000), Reason.WRONG_TYPE, "", id="nested array"),
        pytest.param(
            record(Topic.USER_ACTIVITY, b"7", b'{"unknown":' + b"[" * 100_000), Reason.NOT_JSON, "deep", id="deep"
        ),
        pytest.param(record(Topic.USER_ACTIVITY, b"7", b"[]"), Reason.WRONG_TYPE, "object", id="an array"),
    ],
)
def test_what_is_wrong_is_named(arrived: Record, reason: Reason | None, detail: str) -> None:
    decoded = decode(arrived.topic, arrived)
    if reason is None:
        assert isinstance(decoded, Event)
    else:
        assert isinstance(decoded, Rejection)
        assert decoded.reason == reason
        assert detail in decoded.detail


def test_candidates_are_required_when_retrieval_completes() -> None:
    value = json.dumps(
        {"event_id": "e", "event_time_ms": 1, "type": "completed", "request_id": "r", "user_id": "7"}
    ).encode()
    decoded = decode(Topic.RETRIEVAL_EVENTS, record(Topic.RETRIEVAL_EVENTS, b"7", value))
    assert decoded == Rejection(Reason.MISSING_FIELD, "candidates is required when type is completed")


def test_ids_inside_lists_are_bounded_in_bytes_too() -> None:
    fields = {"event_id": "e", "event_time_ms": 1, "type": "completed", "request_id": "r", "user_id": "7"}
    value = json.dumps(fields | {"candidates": [{"item_id": "1"}, {"item_id": "ü" * 200}]}).encode()
    decoded = decode(Topic.RETRIEVAL_EVENTS, record(Topic.RETRIEVAL_EVENTS, b"7", value))
    assert isinstance(decoded, Rejection)
    assert decoded.reason == Reason.ID_TOO_LONG
    assert decoded.detail.startswith("candidates[1].item_id")


def test_a_null_item_update_deletes_the_item_of_its_key() -> None:
    assert decode(Topic.ITEM_UPDATES, record(Topic.ITEM_UPDATES, "ä/1".encode(), None)) == Tombstone("ä/1")  # type: ignore[arg-type]


def test_no_detail_repeats_the_payload() -> None:
    secret = "4111111111111111"
    wrong: list[dict[str, Any]] = [
        {"user_id": [secret]},
        {"kind": secret * 10},
        {"event_time_ms": secret},
        {"context": {secret: []}},
    ]
    for changes in wrong:
        decoded = decode(Topic.USER_ACTIVITY, activity(**changes))
        assert isinstance(decoded, Rejection)
        assert secret not in decoded.detail
