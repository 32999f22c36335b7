"""What tests ask a ranker, and the rows it needs."""

import json
from collections.abc import Sequence
from typing import Any

import orjson

from cache.store import ItemWrite, Store
from inference.item_row import ItemState, encode_item_rows
from inference.release import Release
from inference.serving.schema import OfferedItem, RankRequest
from runtime.ids import ItemId
from tests.unit.inference.releases import ITEMS


def rank_request(
    user: str, items: Sequence[str] = tuple(ITEMS), k: int = 5, deadline_ms: int = 20_000, request_id: str = "r1"
) -> RankRequest:
    """A request with a deadline that a busy machine keeps."""
    return RankRequest(
        request_id=request_id,
        user_id=user,
        candidates=[OfferedItem(item_id=item, retrieval_score=1 - place / 1000) for place, item in enumerate(items)],
        k=k,
        deadline_ms=deadline_ms,
    )


async def fill_items(store: Store, release: Release) -> None:
    """Rows of every test item for one release."""
    states = [ItemState(item, features, 1, 1_000) for item, features in ITEMS.items()]
    rows = encode_item_rows(release, states)
    await store.write_items(
        [
            ItemWrite(ItemId(state.item), state.rev, orjson.dumps(state.features), {release.model_version: row})
            for state, row in zip(states, rows, strict=True)
        ]
    )


def values(records: Sequence[bytes | None]) -> list[dict[str, Any]]:  # Any: JSON
    """Records' values as objects."""
    return [json.loads(value) for value in records if value is not None]
