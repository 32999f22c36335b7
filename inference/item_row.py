"""Item rows: a release and items -> encoded rows; the same in item inference, training and rebuild."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cache.row import RowKind, encode_empty, encode_rows
from inference.release import Release
from runtime.ids import ItemId
from streams.wire.events import FeatureValue


@dataclass(frozen=True, slots=True)
class ItemState:
    """An item as its newest update left it; `features` None: deleted, or unknown to everybody."""

    item: ItemId
    features: Mapping[str, FeatureValue] | None
    rev: int
    as_of_ms: int


def encode_item_rows(release: Release, items: Sequence[ItemState]) -> list[bytes]:
    """One row of D values per item, of width zero where the item has no features."""
    known = [(state.item, state.features) for state in items if state.features is not None]
    alive = [state for state in items if state.features is not None]
    encoded: list[bytes] = []
    if known:
        encoded = encode_rows(
            RowKind.ITEM,
            release.model_version,
            release.item_rows(known),
            rev=[state.rev for state in alive],
            as_of_ms=[state.as_of_ms for state in alive],
        )
    rows = iter(encoded)
    return [_empty(release, state) if state.features is None else next(rows) for state in items]


def _empty(release: Release, state: ItemState) -> bytes:
    return encode_empty(RowKind.ITEM, release.model_version, rev=state.rev, as_of_ms=state.as_of_ms)
