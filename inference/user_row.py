"""User rows: a release and histories -> encoded rows; the same in user refresh, ranker, training and rebuild."""

from collections.abc import Sequence

from cache.row import RowKind, encode_rows
from cache.store import History
from inference.release import Release


def encode_user_rows(release: Release, histories: Sequence[History]) -> list[bytes]:
    """One row of T x D values per history, with its `rev` and `as_of_ms`."""
    if not histories:
        return []
    values = release.user_rows(histories).reshape(len(histories), -1)
    return encode_rows(
        RowKind.USER,
        release.model_version,
        values,
        rev=[history.rev for history in histories],
        as_of_ms=[history.as_of_ms for history in histories],
    )
