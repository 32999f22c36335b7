"""Pair rows: a release, a history and items -> encoded rows; the same in pair inference, training and rebuild."""

from collections.abc import Sequence

from cache.row import RowKind, encode_rows
from cache.store import History
from inference.release import ItemWithFeatures, Release


def encode_pair_rows(release: Release, history: History, items: Sequence[ItemWithFeatures]) -> list[bytes]:
    """One row of P values per item, all with the `rev` and `as_of_ms` of the history they were computed from."""
    if not items:
        return []
    return encode_rows(
        RowKind.PAIR,
        release.model_version,
        release.pair_rows(history, items),
        rev=[history.rev] * len(items),
        as_of_ms=[history.as_of_ms] * len(items),
    )
