"""The payload of one history event, and histories as the tensors that the models read."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import orjson
import torch

from cache.store import History
from inference.models.catalogue import Catalogue
from inference.models.history_encoder import KIND_INDEX, HistoryBatch
from streams.wire.events import Activity

MAX_DEVIATIONS = 4.0
PAD_TO = 16  # lengths are rounded up, so that a history meets the same shapes in most batches


@dataclass(frozen=True, slots=True)
class PastEvent:
    """What a history keeps of an activity event."""

    item_id: str
    kind: str
    value: float | None
    event_time_ms: int


def encode_event(event: Activity) -> bytes:
    """The payload under which an activity event is stored: JSON `[item_id, kind, value, event_time_ms]`."""
    return orjson.dumps([event.item_id, event.kind, event.value, event.event_time_ms])


def decode_event(payload: bytes) -> PastEvent:
    """The inverse of `encode_event`; ValueError if the payload is not one."""
    fields = orjson.loads(payload)
    if not isinstance(fields, list) or len(fields) != 4:
        raise ValueError(f"a history payload is a list of 4, not {payload[:64]!r}")
    return PastEvent(*fields)


@dataclass(frozen=True, slots=True)
class ValueScale:
    """How an event's value (a rating) is standardised."""

    mean: float = 0.0
    scale: float = 1.0


def history_batch(
    histories: Sequence[History], catalogue: Catalogue, values: ValueScale, max_length: int
) -> HistoryBatch:
    """Histories as padded tensors, newest event first, times relative to each history's `as_of_ms`."""
    events = [[decode_event(payload) for payload in reversed(h.payloads[-max_length:])] for h in histories]
    longest = max((len(e) for e in events), default=0)
    length = min(max(-(-longest // PAD_TO), 1) * PAD_TO, max_length)
    shape = (len(histories), length)
    items, kinds = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    scaled, ages, mask = np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape, bool)
    index = iter(catalogue.index_of([event.item_id for row in events for event in row]))
    for b, (history, row) in enumerate(zip(histories, events, strict=True)):
        mask[b, : len(row)] = True
        for j, event in enumerate(row):
            items[b, j] = next(index)
            kinds[b, j] = KIND_INDEX.get(event.kind, 0)
            scaled[b, j] = 0.0 if event.value is None else (event.value - values.mean) / values.scale
            ages[b, j] = max(history.as_of_ms - event.event_time_ms, 0) / 1000
    np.clip(scaled, -MAX_DEVIATIONS, MAX_DEVIATIONS, out=scaled)
    return HistoryBatch(*map(torch.from_numpy, (items, kinds, scaled, ages, mask)))
