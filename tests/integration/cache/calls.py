"""One example of every call of the store."""

from collections.abc import Awaitable, Callable

from cache.store import (
    HistoryEvent,
    HistoryUpdate,
    ItemWrite,
    PairWrite,
    ReleaseState,
    Store,
    UserRowWrite,
)
from tests.integration.cache.rows import ALICE, LIVE, MINUTE_MS, item_row, items, pair_row, user_row

[LAMP] = items("lamp")
UPDATE = HistoryUpdate(ALICE, [HistoryEvent("e", 1, 0, b"x")])

READS: dict[str, Callable[[Store], Awaitable[object]]] = {
    "hydrate": lambda store: store.hydrate(LIVE, ALICE, [LAMP]),
    "read_watermarks": lambda store: store.read_watermarks(["topic"]),
    "read_histories": lambda store: store.read_histories([ALICE]),
    "read_user_rows": lambda store: store.read_user_rows(LIVE, [ALICE]),
    "active_since": lambda store: store.active_since([ALICE], 0),
    "active_users": lambda store: store.active_users(0),
    "read_item_features": lambda store: store.read_item_features([LAMP]),
    "read_items": lambda store: store.read_items([LAMP]),
    "read_item_rows": lambda store: store.read_item_rows(LIVE, [LAMP]),
    "scan_items": lambda store: store.scan_items(),
    "pair_index": lambda store: store.pair_index(LIVE, [ALICE]),
    "read_release": lambda store: store.read_release("main"),
    "acknowledged": lambda store: store.acknowledged(LIVE, 0),
    "read_capacity": lambda store: store.read_capacity("pairs"),
    "missing_epochs": lambda store: store.missing_epochs(),
    "ping": lambda store: store.ping(),
}

WRITES: dict[str, Callable[[Store], Awaitable[object]]] = {
    "apply_activity": lambda store: store.apply_activity([UPDATE]),
    "write_user_rows": lambda store: store.write_user_rows([UserRowWrite(ALICE, {LIVE: user_row(1)})], [LIVE], 1000),
    "touch_active": lambda store: store.touch_active({ALICE: 1 << 50}),
    "write_items": lambda store: store.write_items([ItemWrite(LAMP, 1, b"{}", {LIVE: item_row(1)})]),
    "write_pairs": lambda store: store.write_pairs(LIVE, [PairWrite(ALICE, {LAMP: pair_row(1)})], MINUTE_MS),
    "mark_pending": lambda store: store.mark_pending(LIVE, ALICE, [LAMP], 1 << 50),
    "change_release": lambda store: store.change_release("main", ReleaseState(), ReleaseState(live="v1")),
    "acknowledge": lambda store: store.acknowledge(LIVE, "ranker", 1),
    "write_watermarks": lambda store: store.write_watermarks("topic", {0: 1}),
    "publish_capacity": lambda store: store.publish_capacity("pairs", "worker", 1.0, MINUTE_MS),
    "set_epochs": lambda store: store.set_epochs("1"),
}

REMOVALS: dict[str, Callable[[Store], Awaitable[object]]] = {
    "drop_version": lambda store: store.drop_version(LIVE),
}

ALL = READS | WRITES | REMOVALS
