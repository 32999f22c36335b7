"""Every key of the store, in one table.

| key | type | content, life |
|---|---|---|
| `solaris:history:{user}` | sorted set | event id by event time; no TTL |
| `solaris:events:{user}` | hash | event id -> payload; no TTL |
| `solaris:rev:{user}` | string | offset + 1 of the newest record that changed the history; no TTL |
| `solaris:user:{user}` | hash | `<model>:<version>` -> user row; TTL is the failover bound |
| `solaris:item:<model>:<version>:{b}` | hash | item -> item row; no TTL |
| `solaris:item-negative:<model>:<version>:{b}` | sorted set | item -> expiry of its negative answer; no TTL |
| `solaris:item-features:{b}` | hash | item -> rev and features; no TTL |
| `solaris:pair:<model>:<version>:{user}` | hash | item -> pair row, `~` aggregate, `~writes` counter; TTL |
| `solaris:pair-index:<model>:<version>:{user}` | sorted set | item -> expiry of its row, `~item` of its mark; TTL |
| `solaris:release:<model>` | hash | live, staged, previous, `entry:<version>` |
| `solaris:ready:<model>:<version>` | sorted set | ranker -> last seen |
| `solaris:watermark:<topic>` | hash | partition -> ms |
| `solaris:active:{b}` | sorted set | user -> last retrieval, a day at most |
| `solaris:capacity:<name>` | hash | worker -> what it can do a second, and until when (ms) that holds; TTL a day |
| `solaris:epoch:{b}` | string | the mark whose absence says that a shard lost its data |

Ids are percent-encoded wherever they stand (`~` too, which frees it for marks), braces are the cluster's hash tag, and
b is `bucket_of(id)`: all keys of one user share a slot, and so do all keys of one bucket.
"""

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote, unquote

from runtime.ids import NUM_BUCKETS, ItemId, ModelVersion, UserId, check_id

AGGREGATE_FIELD: Final = b"~"
WRITES_FIELD: Final = b"~writes"
PENDING_MARK: Final = b"~"
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)  # ids that encode to themselves, almost all
_ALL_PLAIN: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}(?:,[A-Za-z0-9_.-]{1,64})*+", re.ASCII)
_NAME: Final = re.compile(r"[a-z0-9.-]+", re.ASCII)


def encoded(value: str) -> str:
    """An id as it stands in keys, fields and members; raises ValueError on an id that `check_id` refuses."""
    if _PLAIN.fullmatch(value):
        return value
    return quote(check_id("id", value), safe="").replace("~", "%7E")


def decoded(value: bytes) -> str:
    """The id that `encoded` made this from."""
    return unquote(value.decode())


def history(user: UserId) -> str:
    return f"solaris:history:{{{encoded(user)}}}"


def events(user: UserId) -> str:
    return f"solaris:events:{{{encoded(user)}}}"


def rev(user: UserId) -> str:
    return f"solaris:rev:{{{encoded(user)}}}"


def user_rows(user: UserId) -> str:
    return f"solaris:user:{{{encoded(user)}}}"


def release_field(release: ModelVersion) -> str:
    """The field of a user's hash: `<model>:<version>`. Raises ValueError if either is not `[a-z0-9.-]+`."""
    return f"{_name(release.model)}:{_name(release.version)}"


def item_rows(release: ModelVersion, bucket: int) -> str:
    return f"solaris:item:{release_field(release)}:{{{bucket}}}"


def all_item_rows(release: ModelVersion) -> list[str]:
    """`item_rows` of every bucket."""
    return [item_rows(release, bucket) for bucket in range(NUM_BUCKETS)]


def item_negative(release: ModelVersion, bucket: int) -> str:
    return f"solaris:item-negative:{release_field(release)}:{{{bucket}}}"


def item_features(bucket: int) -> str:
    return f"solaris:item-features:{{{bucket}}}"


def pair_rows(release: ModelVersion, user: UserId) -> str:
    return f"solaris:pair:{release_field(release)}:{{{encoded(user)}}}"


def pair_index(release: ModelVersion, user: UserId) -> str:
    return f"solaris:pair-index:{release_field(release)}:{{{encoded(user)}}}"


def item_field(item: ItemId) -> str:
    return encoded(item)


def item_fields(items: Sequence[ItemId]) -> Sequence[str]:
    """`item_field` of each; ids that encode to themselves are recognised all at once, at a tenth of the price."""
    joined = ",".join(items)
    if joined.count(",") == len(items) - 1 and _ALL_PLAIN.fullmatch(joined):  # an id may hold a comma itself
        return items
    return [encoded(item) for item in items]


def release(model: str) -> str:
    return f"solaris:release:{_name(model)}"


def ready(release: ModelVersion) -> str:
    return f"solaris:ready:{release_field(release)}"


def watermark(topic: str) -> str:
    return f"solaris:watermark:{topic}"


def capacity(name: str) -> str:
    return f"solaris:capacity:{name}"


def active(bucket: int) -> str:
    return f"solaris:active:{{{bucket}}}"


def epoch(bucket: int) -> str:
    return f"solaris:epoch:{{{bucket}}}"


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError(f"model or version {value!r} does not match [a-z0-9.-]+")
    return value
