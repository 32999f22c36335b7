"""What both stores keep at most, and what they accept."""

from typing import Final

from cache.row import HEADER_BYTES, rev_of

DEFAULT_HISTORY_LENGTH: Final = 128  # L of the compact release
MAX_HISTORY_LENGTH: Final = 4096  # a history is read by one HMGET inside a script, whose stack holds 8000 values
MAX_PAIRS: Final = 512  # pair rows of one user and release; the write that exceeds it drops those that expire first
ACTIVE_KEPT_MS: Final = 24 * 3_600_000  # retrievals older than a day say nothing about who is active


def check_history_length(length: int) -> int:
    """Return `length`; raise ValueError if no history can have it."""
    if not 1 <= length <= MAX_HISTORY_LENGTH:
        raise ValueError(f"history_length is {length}; allowed are 1 to {MAX_HISTORY_LENGTH}")
    return length


def check_row(row: bytes) -> bytes:
    """Return `row`; raise ValueError if it was not made by `cache.row`, since it could never be replaced."""
    if len(row) < HEADER_BYTES or rev_of(row) < 0:
        raise ValueError(f"{len(row)} bytes that are not a row")
    return row
