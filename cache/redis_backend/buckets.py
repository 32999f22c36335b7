"""Ids grouped by bucket, and answers put back in the order of the question."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from runtime.ids import bucket_of

T = TypeVar("T")


class Buckets:
    """The positions of ids in a request, by bucket; only buckets that occur."""

    def __init__(self, ids: Sequence[str]) -> None:
        self.num_ids = len(ids)
        self.positions: dict[int, list[int]] = {}
        for position, value in enumerate(ids):
            self.positions.setdefault(bucket_of(value), []).append(position)

    def in_order(self, replies: Iterable[Sequence[T] | None]) -> list[T | None]:
        """Flatten one reply a bucket (in the order of `positions`) into one value an id."""
        values: list[T | None] = [None] * self.num_ids
        for positions, reply in zip(self.positions.values(), replies, strict=True):
            for position, value in zip(positions, reply or (), strict=reply is not None):
                values[position] = value
        return values
