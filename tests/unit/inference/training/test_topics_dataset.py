from collections.abc import Mapping

import msgspec
import numpy as np
import pytest

from inference.synthetic.config import WorldConfig
from inference.synthetic.log import Log
from inference.synthetic.rows import log_to_dataset
from inference.synthetic.world import World
from inference.training.topics_dataset import LabelWindows, TooLittleData, join
from runtime.ids import ItemId
from streams.wire.events import Activity, FeatureValue, ServedItem, Slate

NOW_MS = 1_700_000_000_000
WIDTH = 16
LATER_MS = NOW_MS + 48 * 3_600_000  # every window has closed


@pytest.fixture(scope="module")
def log() -> Log:
    return World(3, WorldConfig(num_items=60, num_users=40, requests_per_user=8, num_categories=6)).past(NOW_MS)


def joined(log: Log, activities: list[Activity], now_ms: int = LATER_MS) -> dict[tuple[int, int], float]:
    """Label by (time of request, item number), which both ways of making rows share."""
    data = join(_items(log), activities, [], now_ms=now_ms, context_width=WIDTH)
    data.check()
    times = data.request_time_ms[data.cand_request]
    return {(int(t), int(i)): float(c) for t, i, c in zip(times, data.cand_item, data.clicked, strict=True)}


def test_the_join_of_activity_gives_the_rows_of_the_log_it_came_from(log: Log) -> None:
    direct = log_to_dataset(log, WIDTH)
    times = direct.request_time_ms[direct.cand_request]
    expected = {(int(t), int(i)): float(c) for t, i, c in zip(times, direct.cand_item, direct.clicked, strict=True)}
    assert joined(log, list(log.activity())) == expected
    assert 0 < sum(expected.values()) < len(expected)


def test_records_that_come_twice_or_out_of_order_change_nothing(log: Log) -> None:
    activities = list(log.activity())
    shuffled = [activities[i] for i in np.random.default_rng(0).permutation(len(activities))]
    assert joined(log, shuffled + activities[:500]) == joined(log, activities)


def test_a_request_whose_click_window_is_open_is_not_a_row_yet(log: Log) -> None:
    newest_ms = max(activity.event_time_ms for activity in log.activity(("impression",)))
    rows = joined(log, list(log.activity()), now_ms=newest_ms)
    assert max(time_ms for time_ms, _ in rows) <= newest_ms - LabelWindows().click_ms


def test_a_click_after_its_window_is_no_label(log: Log) -> None:
    activities = [_delayed(activity) for activity in log.activity()]
    assert sum(joined(log, activities).values()) == 0


def test_too_few_requests_are_refused_with_the_number(log: Log) -> None:
    with pytest.raises(TooLittleData, match="0 requests have impressions"):
        joined(log, list(log.activity(("click",))))


def test_users_with_the_same_request_ids_keep_their_own_rows(log: Log) -> None:
    activities = list(log.activity())
    number = {request: str(n) for n, request in enumerate(dict.fromkeys(a.request_id for a in activities))}
    shared: dict[str, dict[str, str]] = {}  # by user: the first request of each is "0", and so on
    renamed = []
    for activity in activities:
        own = shared.setdefault(activity.user_id, {})
        request = own.setdefault(number[activity.request_id], str(len(own)))
        renamed.append(msgspec.structs.replace(activity, request_id=request))
    assert len({a.request_id for a in renamed}) < len(number) / 10
    assert joined(log, renamed) == joined(log, activities)


def test_a_click_from_before_the_impression_does_not_hide_the_one_after_it(log: Log) -> None:
    activities = list(log.activity())
    early = [
        msgspec.structs.replace(a, event_id=f"early-{a.event_id}", event_time_ms=a.event_time_ms - 3_600_000)
        for a in activities
        if a.kind == "click"
    ]
    assert joined(log, early + activities) == joined(log, activities)


def test_a_click_counts_from_the_first_impression_in_whatever_order_they_come(log: Log) -> None:
    activities = list(log.activity())
    again = [
        msgspec.structs.replace(a, event_id=f"again-{a.event_id}", event_time_ms=a.event_time_ms + 3_600_000)
        for a in activities
        if a.kind == "impression"
    ]
    assert joined(log, again + activities) == joined(log, activities)


def test_slots_filled_by_chance_are_flagged_with_their_propensity_and_no_others(log: Log) -> None:
    """Every second request has a slate, of which every third position is by chance."""
    activities = list(log.activity())
    shown: dict[str, list[Activity]] = {}
    for activity in log.activity(("impression",)):
        shown.setdefault(str(activity.request_id), []).append(activity)
    slates = [_slate(of_request) for of_request in list(shown.values())[::2]]
    data = join(_items(log), activities, slates, now_ms=LATER_MS, context_width=WIDTH)
    of_slate = {slate.event_time_ms for slate in slates}
    expected = [
        int(time_ms) in of_slate and position % 3 == 0
        for time_ms, position in zip(data.request_time_ms[data.cand_request], data.cand_position, strict=True)
    ]
    np.testing.assert_array_equal(data.uniform, expected)
    np.testing.assert_allclose(data.propensity, np.where(expected, 0.05, 1.0))
    assert 0.1 < data.uniform.mean() < 0.25
    assert not join(_items(log), activities, [], now_ms=LATER_MS, context_width=WIDTH).uniform.any()


def _slate(shown: list[Activity]) -> Slate:
    """The slate of a request, at the time of its impressions."""
    first = shown[0]
    assert first.request_id is not None
    items = [
        ServedItem(
            item_id=one.item_id, score=1.0, p_click=0.1, p_conversion=0.1, source="default", age_ms=None, rev=0,
            position=one.position, explored=one.position in range(0, 99, 3),
            propensity=0.05 if one.position in range(0, 99, 3) else None,
        )
        for one in shown
    ]  # fmt: skip
    return Slate(
        event_id=f"s-{first.event_id}", event_time_ms=first.event_time_ms, request_id=first.request_id,
        user_id=first.user_id, model="main", version="v1", variant="small", user_source="direct", user_rev=1,
        user_as_of_ms=0, items=items,
    )  # fmt: skip


def _delayed(activity: Activity) -> Activity:
    if activity.kind != "click":
        return activity
    return Activity(
        event_id=activity.event_id,
        event_time_ms=activity.event_time_ms + 3_600_000,
        user_id=activity.user_id,
        item_id=activity.item_id,
        kind="click",
        request_id=activity.request_id,
        position=activity.position,
    )


def _items(log: Log) -> dict[ItemId, Mapping[str, FeatureValue]]:
    return dict(zip(log.truth.item_ids, log.truth.features, strict=True))
