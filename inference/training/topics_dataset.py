"""Training data from the topics: served slates joined with the activity that followed. Pure; see `topics_reader`.

A row is a request with at least one impression whose click window has closed. Its candidates are the items that were
shown; the label is a click (a conversion) within its window after the impression with the same user, request and item.
The slate of the request, where there is one, gives its time, context, propensities and which slots chance filled;
without one (slates of another ranker) the impressions give the first two.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from inference.context import encode_context
from inference.history import MAX_DEVIATIONS, ValueScale
from inference.models.history_encoder import KIND_INDEX
from inference.training.dataset import Dataset
from runtime.ids import ItemId
from streams.wire.events import HISTORY_KINDS, Activity, FeatureValue, Slate

RequestKey = tuple[str, str]  # (user, request): nothing keeps two users' requests from having the same id
Done = Mapping[tuple[RequestKey, str, str], Sequence[int]]  # (request, item, kind) -> times of all such events

MIN_REQUESTS = 200  # fewer teach nothing, and cannot be split into a past and a later period


class TooLittleData(ValueError):
    """The topics hold too few requests with closed windows to train on."""


@dataclass(frozen=True, slots=True)
class LabelWindows:
    """How long after an impression an event still counts, in milliseconds."""

    click_ms: int = 10 * 60_000
    conversion_ms: int = 24 * 3_600_000


@dataclass(slots=True)
class _Request:
    time_ms: int
    shown: dict[str, Activity] = field(default_factory=dict)  # item -> its first impression
    slate: Slate | None = None


def join(
    items: Mapping[ItemId, Mapping[str, FeatureValue]],
    activities: Iterable[Activity],
    slates: Iterable[Slate],
    *,
    now_ms: int,
    context_width: int,
    windows: LabelWindows | None = None,
) -> Dataset:
    """Request rows as of `now_ms`; raises TooLittleData. Items that are not in the catalogue get no features."""
    windows = windows or LabelWindows()
    done: defaultdict[tuple[RequestKey, str, str], list[int]] = defaultdict(list)
    requests: dict[RequestKey, _Request] = {}
    history: dict[str, Activity] = {}  # by event id: a record may come twice
    for activity in activities:
        if activity.kind in HISTORY_KINDS:
            history.setdefault(activity.event_id, activity)
        if activity.request_id is None:
            continue
        request_key = (activity.user_id, activity.request_id)
        if activity.kind != "impression":
            done[request_key, activity.item_id, activity.kind].append(activity.event_time_ms)
            continue
        request = requests.setdefault(request_key, _Request(activity.event_time_ms))
        request.time_ms = min(request.time_ms, activity.event_time_ms)
        before = request.shown.setdefault(activity.item_id, activity)
        if activity.event_time_ms < before.event_time_ms:
            request.shown[activity.item_id] = activity
    for slate in slates:
        if (slate.user_id, slate.request_id) in requests:
            requests[slate.user_id, slate.request_id].slate = slate
    closed = {
        request_key: request
        for request_key, request in requests.items()
        if all(shown.event_time_ms + windows.click_ms <= now_ms for shown in request.shown.values())
    }
    if len(closed) < MIN_REQUESTS:
        raise TooLittleData(
            f"{len(closed)} requests have impressions whose click window of {windows.click_ms / 60_000:g} minutes has "
            f"closed ({len(requests) - len(closed)} are still open); at least {MIN_REQUESTS} are needed"
        )
    return _dataset(items, list(history.values()), closed, done, windows, now_ms, context_width)


def _dataset(
    items: Mapping[ItemId, Mapping[str, FeatureValue]],
    history: list[Activity],
    requests: Mapping[RequestKey, _Request],
    done: Done,
    windows: LabelWindows,
    now_ms: int,
    context_width: int,
) -> Dataset:
    catalogue = dict(items)
    for activity in history:
        catalogue.setdefault(ItemId(activity.item_id), {})
    for request in requests.values():
        for item in request.shown:
            catalogue.setdefault(ItemId(item), {})
    item_number = {item: number for number, item in enumerate(catalogue)}
    user_number: defaultdict[str, int] = defaultdict(lambda: len(user_number))
    values = _value_scale(history)
    rows = [
        _row(request_key, request, item, shown, done, windows, now_ms)
        for request_key, request in requests.items()
        for item, shown in request.shown.items()
    ]
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    position, clicked, converted, known, explored, propensity = columns
    num_rows = len(rows)
    return Dataset(
        items=catalogue,
        event_user=np.array([user_number[activity.user_id] for activity in history], dtype=np.int64),
        event_item=np.array([item_number[ItemId(activity.item_id)] for activity in history], dtype=np.int64),
        event_kind=np.array([KIND_INDEX[activity.kind] for activity in history], dtype=np.int64),
        event_value=np.clip(
            [0.0 if a.value is None else (a.value - values.mean) / values.scale for a in history],
            -MAX_DEVIATIONS,
            MAX_DEVIATIONS,
        ).astype(np.float32),
        event_time_ms=np.array([activity.event_time_ms for activity in history], dtype=np.int64),
        request_user=np.array([user_number[user] for user, _ in requests], dtype=np.int64),
        request_time_ms=np.array([_time_ms(request) for request in requests.values()], dtype=np.int64),
        request_context=np.stack([_context(request, context_width) for request in requests.values()]),
        offsets=np.concatenate([[0], np.cumsum([len(request.shown) for request in requests.values()])]),
        cand_item=np.array(
            [item_number[ItemId(item)] for request in requests.values() for item in request.shown], dtype=np.int64
        ),
        cand_position=position.astype(np.int64),
        clicked=clicked.astype(np.float32),
        converted=converted.astype(np.float32),
        conversion_known=known.astype(bool),
        uniform=explored.astype(bool),
        weight=np.ones(num_rows, dtype=np.float32),
        propensity=propensity.astype(np.float32),
        oracle=np.full(num_rows, np.nan, dtype=np.float32),
        values=values,
    ).sorted_by_time()


def _row(
    request_key: RequestKey,
    request: _Request,
    item: str,
    shown: Activity,
    done: Done,
    windows: LabelWindows,
    now_ms: int,
) -> tuple[int, bool, bool, bool, bool, float]:
    """Position, clicked, converted, whether the conversion is known, whether chance filled the slot, and the propensity
    (1 where the slate does not say)."""
    served = {} if request.slate is None else {one.item_id: one for one in request.slate.items}
    start_ms = shown.event_time_ms
    clicks, conversions = (done.get((request_key, item, kind), ()) for kind in ("click", "conversion"))
    clicked = any(start_ms <= time_ms <= start_ms + windows.click_ms for time_ms in clicks)
    converted = any(start_ms <= time_ms <= start_ms + windows.conversion_ms for time_ms in conversions)
    known = clicked and (converted or start_ms + windows.conversion_ms <= now_ms)
    one = served.get(item)
    propensity = 1.0 if one is None or one.propensity is None else one.propensity
    return shown.position or 0, clicked, converted, known, one is not None and one.explored, propensity


def _time_ms(request: _Request) -> int:
    """When the answer was computed: before anything the user did with it."""
    return request.time_ms if request.slate is None else min(request.time_ms, request.slate.event_time_ms)


def _context(request: _Request, width: int) -> np.ndarray:
    if request.slate is not None:
        return encode_context(request.slate.surface, request.slate.context, width)
    first = next(iter(request.shown.values()))
    return encode_context(first.surface, first.context, width)


def _value_scale(history: list[Activity]) -> ValueScale:
    given = np.array([activity.value for activity in history if activity.value is not None])
    if given.size == 0:
        return ValueScale()
    return ValueScale(float(given.mean()), float(given.std()) or 1.0)
