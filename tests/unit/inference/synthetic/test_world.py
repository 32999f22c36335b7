import numpy as np
import pytest

from inference.synthetic.config import DAY_MS, WorldConfig
from inference.synthetic.rows import log_to_dataset
from inference.synthetic.world import World
from runtime.ids import ItemId
from streams.wire.events import HISTORY_KINDS

NOW_MS = 1_790_000_000_000
SMALL = WorldConfig(num_items=60, num_users=60, requests_per_user=12, num_categories=6, num_candidates=30)


def test_the_same_seed_gives_the_same_past_and_time_only_moves_it() -> None:
    first, moved, other = (
        World(3, SMALL).past(NOW_MS),
        World(3, SMALL).past(NOW_MS + 5_000),
        World(4, SMALL).past(NOW_MS),
    )
    np.testing.assert_array_equal(first.items, moved.items)
    np.testing.assert_array_equal(first.time_ms + 5_000, moved.time_ms)
    assert not np.array_equal(first.items, other.items)


def test_the_past_ends_now_and_effects_follow_causes() -> None:
    log = World(0, SMALL).past(NOW_MS)
    shown = np.broadcast_to(log.time_ms[:, None], log.items.shape)
    clicked, converted = log.click_ms > 0, log.conversion_ms > 0
    assert log.time_ms.min() >= NOW_MS - SMALL.num_days * DAY_MS
    assert max(log.time_ms.max(), log.click_ms.max(), log.conversion_ms.max()) <= NOW_MS
    assert (log.click_ms[clicked] > shown[clicked]).all()
    assert (log.conversion_ms[converted] > log.click_ms[converted]).all()
    assert (np.diff(log.time_ms) >= 0).all()


def test_a_slate_shows_no_item_twice_and_none_that_has_not_arrived() -> None:
    world = World(0, SMALL)
    log = world.past(NOW_MS)
    assert all(len(set(slate)) == len(slate) for slate in log.items)
    arrival = NOW_MS + (world.truth.arrival - 1) * SMALL.num_days * DAY_MS
    assert (arrival[log.items] <= log.time_ms[:, None] + 1).all()


def test_some_slots_are_filled_by_chance_and_every_slot_has_its_propensity() -> None:
    log = World(0, SMALL).past(NOW_MS)
    assert log.uniform.mean() == pytest.approx(SMALL.uniform_share, abs=0.01)
    assert ((log.propensity > 0) & (log.propensity <= 1)).all()
    assert log.propensity[log.uniform].mean() < log.propensity[~log.uniform].mean()


def test_clicks_happen_as_often_as_the_oracle_says() -> None:
    log = World(0, SMALL).past(NOW_MS)
    clicked = log.click_ms > 0
    assert log.oracle.mean() == pytest.approx(clicked.mean(), abs=0.01)
    assert log.oracle[clicked].mean() > 2 * log.oracle[~clicked].mean()


def test_the_default_world_shows_every_old_item_200_times_on_two_time_scales() -> None:
    world = World(0)
    log = world.past(NOW_MS)
    shown = np.bincount(log.items.ravel(), minlength=world.config.num_items)
    assert shown[world.truth.arrival < 0].min() >= 200
    gaps = np.concatenate([np.diff(log.time_ms[log.user == user]) for user in range(50)]) / 60_000
    assert np.median(gaps) < 10  # minutes
    assert np.quantile(gaps, 0.9) > 12 * 60


def test_interests_switch_and_last_as_long_as_configured() -> None:
    config = WorldConfig(num_items=60, num_users=4, requests_per_user=2, num_categories=6, switch_events=(3, 3))
    world = World(0, config)
    user = world.users[0]
    before = world.click_probabilities(user, list(world.items[:12]))
    category = world.category_of(world.items[0])
    world.click_on(user, category, NOW_MS, num_clicks=3)
    assert world.click_probabilities(user, list(world.items[:12])) != before


def test_events_of_the_log_are_in_time_order_and_identify_themselves() -> None:
    log = World(0, SMALL).past(NOW_MS)
    events = list(log.activity())
    assert len({event.event_id for event in events}) == len(events)
    times = [event.event_time_ms for event in events]
    assert times == sorted(times)
    assert sum(event.kind == "impression" for event in events) == log.items.size
    assert sum(event.kind == "click" for event in events) == int((log.click_ms > 0).sum())


def test_rows_have_the_labels_and_the_histories_of_the_log() -> None:
    log = World(0, SMALL).past(NOW_MS)
    data = log_to_dataset(log, 4)
    data.check()
    assert data.clicked.sum() == (log.click_ms > 0).sum()
    assert len(data.event_user) == sum(1 for event in log.activity() if event.kind in HISTORY_KINDS)
    open_window = (log.click_ms > 0) & (log.click_ms + log.window_ms > NOW_MS)
    assert open_window.any()
    assert not data.conversion_known[open_window.ravel()].any()


def test_a_live_user_asks_reacts_and_converts_later() -> None:
    world = World(0, SMALL)
    world.past(NOW_MS)
    clicks = 0
    for step in range(60):
        user = world.users[step % 20]
        asked = world.request(user, NOW_MS + step)
        assert asked.candidates is not None
        slate = [candidate.item_id for candidate in asked.candidates[:12]]
        events = world.react(user, [ItemId(i) for i in slate], asked.request_id, NOW_MS + step)
        assert [event.item_id for event in events if event.kind == "impression"] == slate
        clicks += sum(event.kind == "click" for event in events)
    conversions = world.due(NOW_MS + SMALL.conversion_window_ms + 100)
    assert clicks > 0
    assert conversions
    assert [event.event_time_ms for event in conversions] == sorted(event.event_time_ms for event in conversions)
    assert world.due(NOW_MS + 10 * DAY_MS) == []


def test_clicks_on_a_category_that_does_not_exist_are_refused() -> None:
    with pytest.raises(ValueError, match="'yachts' has no items"):
        World(0, SMALL).click_on(World(0, SMALL).users[0], "yachts", NOW_MS)
