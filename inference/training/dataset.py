"""What training and evaluation read: request rows, as plain arrays.

A row is one request: the user's history strictly before it (shared by its candidates) and the candidates that were
shown, with their labels. Whoever has slates and activity can fill it: the generator, a folder of ratings, or the
topics (slates joined with activity by request and item).

Filling it: `event_*` are the activities that enter histories, in any order; `request_*` are requests in any order;
candidates of request r are `offsets[r]:offsets[r + 1]` of the `cand_*` arrays. Call `sorted_by_time` last.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inference.history import ValueScale
from runtime.ids import ItemId
from streams.wire.events import FeatureValue

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Dataset:
    """E events of users, R requests, M candidates of all requests together. Times in milliseconds."""

    items: Mapping[ItemId, Mapping[str, FeatureValue]]  # the order of the keys is the numbering of the items
    event_user: Ints  # [E]
    event_item: Ints  # [E] number of the item
    event_kind: Ints  # [E] index into `history_encoder.KINDS`
    event_value: Floats  # [E] standardised, 0 where the kind has none
    event_time_ms: Ints  # [E]
    request_user: Ints  # [R]
    request_time_ms: Ints  # [R]
    request_context: Floats  # [R, C] as `encode_context` makes it
    offsets: Ints  # [R + 1]
    cand_item: Ints  # [M] number of the item
    cand_position: Ints  # [M] place in the slate, 0 where there was none
    clicked: Floats  # [M] label: 0 or 1
    converted: Floats  # [M] label: 0 or 1, of use where clicked and known
    conversion_known: Flags  # [M] false while the window after the click is open
    uniform: Flags  # [M] the slot was filled by chance, not by the policy
    weight: Floats  # [M] of the row in every average
    propensity: Floats  # [M] probability that the policy put this item there
    oracle: Floats  # [M] true probability of a click where the data know it, else NaN
    values: ValueScale  # how `event_value` was standardised

    @property
    def num_requests(self) -> int:
        return len(self.request_user)

    @property
    def cand_request(self) -> Ints:
        """[M] the request of each candidate."""
        return np.repeat(np.arange(self.num_requests), np.diff(self.offsets))

    def sorted_by_time(self) -> "Dataset":
        """The same data, events by (user, time), requests by time; equal times keep their order."""
        events = np.lexsort((self.event_time_ms, self.event_user))
        return self._with_events(events).select(np.argsort(self.request_time_ms, kind="stable"))

    def _with_events(self, order: Ints) -> "Dataset":
        names = ("event_user", "event_item", "event_kind", "event_value", "event_time_ms")
        return replace(self, **{name: getattr(self, name)[order] for name in names})

    def select(self, requests: Ints) -> "Dataset":
        """The requests with these numbers, in this order, with all events."""
        counts = np.diff(self.offsets)[requests]
        offsets = np.concatenate([[0], np.cumsum(counts)])
        rows = np.repeat(self.offsets[requests] - offsets[:-1], counts) + np.arange(offsets[-1])
        chosen = {name: getattr(self, name)[rows] for name in _PER_CANDIDATE}
        shared = {name: getattr(self, name)[requests] for name in _PER_REQUEST}
        return replace(self, offsets=offsets, **chosen, **shared)

    def keep(self, rows: Flags) -> "Dataset":
        """The candidates flagged in `rows` [M], and the requests that still have one."""
        counts = np.bincount(self.cand_request[rows], minlength=self.num_requests)
        left = np.flatnonzero(counts)
        chosen = {name: getattr(self, name)[rows] for name in _PER_CANDIDATE}
        shared = {name: getattr(self, name)[left] for name in _PER_REQUEST}
        return replace(self, offsets=np.concatenate([[0], np.cumsum(counts[left])]), **chosen, **shared)

    def check(self) -> None:
        """Raise ValueError on the first broken promise of a sorted data set."""
        e, r, m = len(self.event_user), self.num_requests, len(self.cand_item)
        lengths = dict.fromkeys(_PER_REQUEST, r) | dict.fromkeys(_PER_CANDIDATE, m)
        lengths |= dict.fromkeys(("event_item", "event_kind", "event_value", "event_time_ms"), e)
        for name, length in lengths.items():
            if len(getattr(self, name)) != length:
                raise ValueError(f"{name} has {len(getattr(self, name))} entries, expected {length}")
        if len(self.offsets) != r + 1 or self.offsets[0] != 0 or self.offsets[-1] != m:
            raise ValueError("offsets do not cover the candidates")
        if (np.diff(self.offsets) < 1).any():
            raise ValueError("a request has no candidates")
        if (np.diff(self.request_time_ms) < 0).any():
            raise ValueError("requests are not in time order")
        same_user = np.diff(self.event_user) == 0
        if (np.diff(self.event_user) < 0).any() or (np.diff(self.event_time_ms)[same_user] < 0).any():
            raise ValueError("events are not in order of user and time")
        if m and not 0 <= self.cand_item.min() <= self.cand_item.max() < len(self.items):
            raise ValueError("cand_item names an item that does not exist")


_PER_REQUEST = ("request_user", "request_time_ms", "request_context")
_PER_CANDIDATE = (
    "cand_item",
    "cand_position",
    "clicked",
    "converted",
    "conversion_known",
    "uniform",
    "weight",
    "propensity",
    "oracle",
)


def history_ranges(data: Dataset, length: int, cut_ms: Ints | None = None) -> tuple[Ints, Ints]:
    """First and last + 1 event of each request's history: the newest `length` ones strictly before `cut_ms` [R].

    `cut_ms` is the time of the request where None; an earlier one gives the history as it was then.
    """
    cut = data.request_time_ms if cut_ms is None else cut_ms
    if not len(data.event_user):
        zeros = np.zeros(data.num_requests, dtype=np.int64)
        return zeros, zeros
    # One search for all: users are laid out one after the other on a line, each on a stretch longer than all times.
    # Places in the order of times instead of times: centuries of milliseconds times many users leave 64 bits.
    times = np.unique(data.event_time_ms)
    stretch = len(times) + 1
    line = data.event_user * stretch + np.searchsorted(times, data.event_time_ms)
    ends = np.searchsorted(line, data.request_user * stretch + np.searchsorted(times, cut), side="left")
    begins = np.searchsorted(line, data.request_user * stretch, side="left")
    return np.maximum(begins, ends - length), ends
