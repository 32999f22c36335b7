"""Small releases and histories for tests; the weights are random, the modules real."""

from collections.abc import Sequence

from cache.store import History
from inference.history import encode_event
from runtime.ids import ItemId, UserId
from streams.wire.events import Activity, FeatureValue

ITEMS: dict[ItemId, dict[str, FeatureValue]] = {
    ItemId(f"item-{k}"): {"category": f"c{k % 5}", "price": 3.0 + k, "tags": [f"t{k % 3}", "all"]} for k in range(40)
}


def history(num_events: int, user: str = "user-1", first_item: int = 0) -> History:
    """A history of clicks, one every 100 s."""
    events = [
        Activity(
            event_id=f"e{i}",
            event_time_ms=1_700_000_000_000 + 100_000 * i,
            user_id=user,
            item_id=f"item-{(first_item + 7 * i) % 45}",
            kind="click",
            request_id="r",
            position=0,
        )
        for i in range(num_events)
    ]
    as_of_ms = events[-1].event_time_ms if events else 0
    return History(UserId(user), num_events, tuple(encode_event(event) for event in events), as_of_ms)


def items(names: Sequence[ItemId] = tuple(ITEMS)) -> list[tuple[ItemId, dict[str, FeatureValue]]]:
    """Items with their features, in the order of `names`."""
    return [(name, ITEMS[name]) for name in names]
