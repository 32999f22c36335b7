"""Events to bytes and back. `decode` never raises on any record: what is wrong with it becomes a `Rejection`.

One decoder per topic, made once. Unknown fields are ignored; what is required is required.
"""

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from runtime.ids import MAX_ID_BYTES, ItemId, check_id
from streams.wire.events import (
    Activity,
    Event,
    ItemMiss,
    ItemUpdate,
    ModelRelease,
    PairRequest,
    Retrieval,
    Slate,
    UserMiss,
)
from streams.wire.record import Record
from streams.wire.topics import Topic

MAX_AHEAD_MS = 60_000  # an event this far ahead of its append time comes from a broken clock


class Reason(StrEnum):
    """Why a record was rejected: metric label and `reason` header of its dead letter."""

    NOT_JSON = "not-json"
    WRONG_TYPE = "wrong-type"
    MISSING_FIELD = "missing-field"
    NULL_VALUE = "null-value"
    NULL_KEY = "null-key"
    BAD_KEY = "bad-key"
    KEY_MISMATCH = "key-mismatch"
    ID_TOO_LONG = "id-too-long"
    FUTURE = "future"


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A null value on the item topic: the item is deleted."""

    item_id: ItemId


@dataclass(frozen=True, slots=True)
class Rejection:
    """A record that is not an event of its topic; `detail` names the field and never holds a payload."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class _TopicCodec:
    event_type: type[Event]
    key_field: str
    decoder: msgspec.json.Decoder[Event]


def _codec(event_type: type[Event], key_field: str) -> _TopicCodec:
    return _TopicCodec(event_type, key_field, msgspec.json.Decoder(event_type))


_CODECS: dict[str, _TopicCodec] = {
    Topic.RETRIEVAL_EVENTS: _codec(Retrieval, "user_id"),
    Topic.USER_ACTIVITY: _codec(Activity, "user_id"),
    Topic.ITEM_UPDATES: _codec(ItemUpdate, "item_id"),
    Topic.PAIR_REQUESTS: _codec(PairRequest, "user_id"),
    Topic.SLATES_SERVED: _codec(Slate, "user_id"),
    Topic.ITEM_MISSES: _codec(ItemMiss, "item_id"),
    Topic.USER_MISSES: _codec(UserMiss, "user_id"),
    Topic.MODEL_RELEASES: _codec(ModelRelease, "model"),
}

_ID_FIELDS = ("event_id", "user_id", "item_id", "request_id")
_ID_LISTS = ("candidates", "items")
_encoder = msgspec.json.Encoder()


def encode(event: Event) -> bytes:
    """The JSON object of an event; fields at their default are left out."""
    return _encoder.encode(event)


def event_type(topic: str) -> type[Event]:
    """The class of the events on `topic`; KeyError if it is not one of ours."""
    return _CODECS[topic].event_type


def key_of(topic: str, event: Event) -> str:
    """The key under which `event` belongs on `topic`: the id that must stay in order."""
    key: str = getattr(event, _CODECS[topic].key_field)
    return key


def decode(topic: str, record: Record) -> Event | Tombstone | Rejection:
    """The event in `record`; KeyError only if `topic` is not one of ours, nothing on any bytes."""
    codec = _CODECS[topic]
    key = _decode_key(record.key)
    if isinstance(key, Rejection):
        return key
    if record.value is None:
        if topic == Topic.ITEM_UPDATES:
            return Tombstone(ItemId(key))
        return Rejection(Reason.NULL_VALUE, "only an item update may have a null value")
    event = decode_value(topic, record.value)
    if isinstance(event, Rejection):
        return event
    if getattr(event, codec.key_field) != key:
        return Rejection(Reason.KEY_MISMATCH, f"the record's key is not its {codec.key_field}")
    ahead_ms = event.event_time_ms - record.append_time_ms
    if ahead_ms > MAX_AHEAD_MS:
        return Rejection(Reason.FUTURE, f"event_time_ms is {ahead_ms} ms ahead of the append time")
    return event


def decode_value(topic: str, value: bytes) -> Event | Rejection:
    """The event in a value alone, for what has no key yet: a line of a file, an event about to be sent."""
    try:
        event = _CODECS[topic].decoder.decode(value)
    except msgspec.ValidationError as error:
        return _rejection(plain_path(str(error)))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Rejection(Reason.NOT_JSON, str(error))
    except RecursionError:
        return Rejection(Reason.NOT_JSON, "nested too deeply")
    return _check_ids(event) or event


def plain_path(message: str) -> str:
    """A message of msgspec with the field as people write it: at `k`, not at `$.k`; nothing for the whole value."""
    return message.replace("`$.", "`").replace(" - at `$`", "")


def _rejection(message: str) -> Rejection:
    if "required" in message:  # msgspec's own, and the conditional ones in events.py
        return Rejection(Reason.MISSING_FIELD, message)
    return Rejection(Reason.WRONG_TYPE, message)


def _decode_key(key: bytes | None) -> str | Rejection:
    if key is None:
        return Rejection(Reason.NULL_KEY, "the record has no key")
    if len(key) > MAX_ID_BYTES:
        return Rejection(Reason.ID_TOO_LONG, f"the key has {len(key)} bytes; at most {MAX_ID_BYTES} are allowed")
    try:
        text = key.decode()
    except UnicodeDecodeError:
        return Rejection(Reason.BAD_KEY, "the key is not UTF-8")
    return text or Rejection(Reason.BAD_KEY, "the key is empty")


def _check_ids(event: Event) -> Rejection | None:
    """Bytes, where the schema counts characters."""
    for name in _ID_FIELDS:
        rejection = _too_long(name, getattr(event, name, None))
        if rejection:
            return rejection
    for name in _ID_LISTS:
        for index, entry in enumerate(getattr(event, name, None) or ()):
            rejection = _too_long(f"{name}[{index}].item_id", entry.item_id)
            if rejection:
                return rejection
    return None


def _too_long(name: str, value: str | None) -> Rejection | None:
    if value is None or len(value) * 4 <= MAX_ID_BYTES:  # a character has at most four bytes
        return None
    try:
        check_id(name, value)
    except ValueError as error:
        return Rejection(Reason.ID_TOO_LONG, str(error))
    return None
