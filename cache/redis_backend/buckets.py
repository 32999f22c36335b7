"""Ids grouped by bucket, and answers put back in the order of the question."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TypeVar

from runtime.ids import buckets_of

T = TypeVar("T")


class Buckets:
    """The positions of ids in a request, by bucket; only buckets that occur."""

    def __init__(self, ids: Sequence[str]) -> None:
        self.num_ids = len(ids)
        self.positions: dict[int, list[int]] = defaultdict(list)
        for position, bucket in enumerate(buckets_of(ids)):
            self.positions[bucket].append(position)

    def in_order(self, replies: Iterable[Sequence[T] | None]) -> list[T | None]:
        """Flatten one reply a bucket (in the order of `positions`) into one value an id."""
        values: list[T | None] = [None] * self.num_ids
        found: Iterator[T | None] = chain.from_iterable(
            [None] * len(positions) if reply is None else reply
            for positions, reply in zip(self.positions.values(), replies, strict=True)
        )
        for position, value in zip(chain.from_iterable(self.positions.values()), found, strict=True):
            values[position] = value
        return values
