"""A world's log as request rows to train on."""

import numpy as np

from inference.context import encode_context
from inference.history import ValueScale
from inference.models.history_encoder import KIND_INDEX
from inference.synthetic.log import SURFACES, Log
from inference.training.dataset import Dataset


def log_to_dataset(log: Log, context_width: int) -> Dataset:
    """Every request of the log with its slate; a label is an event within its window after the impression."""
    num_requests, num_slots = log.items.shape
    clicked, converted = log.click_ms > 0, log.conversion_ms > 0
    events = [(log.click_ms, "click"), (log.conversion_ms, "conversion")]
    places = [np.nonzero(times) for times, _ in events]
    surfaces = np.stack([encode_context(surface, None, context_width) for surface in SURFACES])
    num_events = sum(len(requests) for requests, _ in places)
    return Dataset(
        items=dict(zip(log.truth.item_ids, log.truth.features, strict=True)),
        event_user=np.concatenate([log.user[requests] for requests, _ in places]),
        event_item=np.concatenate([log.items[place] for place in places]),
        event_kind=np.concatenate(
            [np.full(len(place[0]), KIND_INDEX[kind]) for place, (_, kind) in zip(places, events, strict=True)]
        ),
        event_value=np.zeros(num_events, dtype=np.float32),
        event_time_ms=np.concatenate([times[place] for place, (times, _) in zip(places, events, strict=True)]),
        request_user=log.user,
        request_time_ms=log.time_ms,
        request_context=surfaces[log.surface],
        offsets=np.arange(num_requests + 1) * num_slots,
        cand_item=log.items.ravel(),
        cand_position=np.tile(np.arange(num_slots), num_requests),
        clicked=clicked.ravel().astype(np.float32),
        converted=converted.ravel().astype(np.float32),
        conversion_known=(clicked & (log.click_ms + log.window_ms <= log.now_ms)).ravel(),
        uniform=log.uniform.ravel(),
        weight=np.ones(log.items.size, dtype=np.float32),
        propensity=log.propensity.ravel().astype(np.float32),
        oracle=log.oracle.ravel().astype(np.float32),
        values=ValueScale(),
    ).sorted_by_time()
