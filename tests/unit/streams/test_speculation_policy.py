"""What a pair is worth, and how many may be asked for."""

import math

import pytest

from cache.store import PairIndex
from runtime.ids import ItemId, UserId
from streams.speculation_policy import (
    HALF_LIFE_S,
    OUTDATED,
    Budget,
    Shares,
    Wanted,
    drop_known,
    limit_per_user,
    rate_per_s,
    value_pairs,
)
from streams.wire.events import Activity, Candidate, Retrieval, ServedItem, Slate

NOW_MS = 1_700_000_000_000


def retrieval(*items: str, scores: tuple[float, ...] = (), age_s: float = 0, user: str = "ann") -> Retrieval:
    found = [Candidate(item_id=item, retrieval_score=scores[i] if scores else None) for i, item in enumerate(items)]
    return Retrieval(
        event_id="r", event_time_ms=round(NOW_MS - age_s * 1000), type="completed", request_id="r", user_id=user,
        candidates=found,
    )  # fmt: skip


def activity(kind: str, item: str = "a") -> Activity:
    return Activity(
        event_id="e", event_time_ms=NOW_MS, user_id="ann", item_id=item, kind=kind, request_id="r", position=0
    )


def slate(positions: dict[str, int | None], explored: tuple[str, ...] = ()) -> Slate:
    served = [
        ServedItem(
            item_id=item,
            score=1.0,
            p_click=0.1,
            p_conversion=0.1,
            source="default",
            age_ms=None,
            rev=0,
            position=place,
            explored=item in explored,
        )
        for item, place in positions.items()
    ]
    return Slate(
        event_id="s", event_time_ms=NOW_MS, request_id="r", user_id="ann", model="main", version="v1",
        variant="small", user_source="direct", user_rev=1, user_as_of_ms=NOW_MS, items=served,
    )  # fmt: skip


def order(wanted: list[Wanted]) -> list[str]:
    return [pair.item for pair in wanted]


def test_candidates_are_worth_less_the_further_back_they_were_found() -> None:
    assert order(value_pairs([retrieval("a", "b", "c")], [], [], NOW_MS)) == ["a", "b", "c"]


def test_scores_of_retrieval_decide_where_there_are_some() -> None:
    found = retrieval("a", "b", "c", scores=(0.1, 0.3, 0.2))
    assert order(value_pairs([found], [], [], NOW_MS)) == ["b", "c", "a"]


def test_a_retrieval_that_has_only_started_says_nothing() -> None:
    started = Retrieval(event_id="r", event_time_ms=NOW_MS, type="started", request_id="r", user_id="ann")
    assert value_pairs([started], [], [], NOW_MS) == []


def test_value_halves_with_each_half_life_and_the_future_counts_as_now() -> None:
    [now], [old], [future] = (
        value_pairs([retrieval("a", age_s=age_s)], [], [], NOW_MS) for age_s in (0, HALF_LIFE_S, -100)
    )
    assert old.value == pytest.approx(now.value / 2)
    assert future.value == now.value


def test_what_was_shown_high_is_worth_more_than_what_was_left_out() -> None:
    assert order(value_pairs([], [], [slate({"c": None, "b": 4, "a": 0})], NOW_MS)) == ["a", "b", "c"]


def test_what_chance_put_high_is_worth_no_more_than_what_was_left_out() -> None:
    by_chance, left_out = value_pairs([], [], [slate({"a": 0, "b": None, "c": 7}, explored=("a",))], NOW_MS)[1:]
    assert by_chance.value == left_out.value


def test_evidence_adds_up_and_a_conversion_adds_nothing() -> None:
    [alone] = value_pairs([retrieval("a")], [], [], NOW_MS)
    [clicked] = value_pairs([retrieval("a")], [activity("click")], [], NOW_MS)
    [bought] = value_pairs([retrieval("a")], [activity("conversion")], [], NOW_MS)
    assert clicked.value > alone.value == bought.value
    assert value_pairs([], [activity("conversion"), activity("unheard-of")], [], NOW_MS) == []


def test_each_user_gets_no_more_than_the_limit_and_nothing_of_little_value() -> None:
    wanted = value_pairs([retrieval(*"abcd"), retrieval(*"xy", user="bob")], [], [], NOW_MS)
    chosen = limit_per_user(wanted, 2, 0.0)
    assert [(pair.user, pair.item) for pair in chosen] == [("ann", "a"), ("bob", "x"), ("ann", "b"), ("bob", "y")]
    least = [Wanted(UserId("ann"), ItemId("a"), 0.049), Wanted(UserId("ann"), ItemId("b"), 0.05)]
    assert order(limit_per_user(least, 2, 0.05)) == ["b"]


def test_pairs_that_are_there_or_asked_for_are_dropped_and_outdated_ones_are_worth_less() -> None:
    user = UserId("u")
    items = [ItemId(name) for name in ("current", "outdated", "asked", "absent")]
    wanted = [Wanted(user, item, 1.0) for item in items]
    index = PairIndex(rev=5, stored={items[0]: 5, items[1]: 4}, pending={items[2]: 9})
    left = drop_known(wanted, {user: index})
    assert [(pair.item, pair.value) for pair in left] == [("absent", 1.0), ("outdated", OUTDATED)]


def test_the_budget_is_what_has_come_in_since_and_never_more_than_a_burst() -> None:
    budget = Budget(burst_s=5)
    assert budget.fill(10, 100.0) == 50
    budget.spend(50)
    assert budget.fill(10, 101.0) == 10
    assert budget.fill(10, 1_000.0) == 50
    budget.spend(45)
    assert budget.fill(10, 1_000.1) == 6
    assert budget.fill(0, 1_001.0) == 0


@pytest.mark.parametrize(
    ("allowed", "wanted", "asked"),
    [
        pytest.param(100, (500, 500), [50, 50], id="alike under load"),
        pytest.param(100, (10, 500), [10, 90], id="the second takes what the first leaves"),
        pytest.param(100, (500, 10), [50, 10], id="the first does not wait for the second"),
        pytest.param(3, (5, 5), [1, 1], id="an odd one stays in the budget"),
        pytest.param(1, (5, 5), [0, 0], id="so that neither takes all that trickles in"),
        pytest.param(-4, (5, 5), [0, 0], id="nothing is left"),
        pytest.param(7, (500,), [7], id="one release has all"),
    ],
)
def test_live_and_staged_share_what_may_be_asked_for(allowed: int, wanted: tuple[int, ...], asked: list[int]) -> None:
    shares = Shares(allowed, len(wanted))
    found = []
    for number in wanted:
        found.append(min(number, shares.next()))
        shares.spend(found[-1])
    assert found == asked


@pytest.mark.parametrize(
    ("budget", "capacity", "share", "delay_s", "expected"),
    [
        pytest.param(100, 400, 0.5, 0.0, 50, id="the budget, by share"),
        pytest.param(100, 40, 1.0, 15.0, 40, id="what can be done"),
        pytest.param(100, 0, 1.0, None, 0, id="nobody computes"),
        pytest.param(100, 40, 1.0, None, 40, id="nothing known of the queue"),
        pytest.param(100, 40, 1.0, 15.1, 0, id="the queue waits longer than a quarter of its life"),
        pytest.param(100, 40, 0.0, 0.0, 0, id="no partitions"),
    ],
)
def test_the_rate_is_a_share_of_what_is_allowed_and_of_what_can_be_done(
    budget: float, capacity: float, share: float, delay_s: float | None, expected: float
) -> None:
    rate = rate_per_s(budget_per_s=budget, capacity_per_s=capacity, own_share=share, queue_delay_s=delay_s, expiry_s=60)
    assert math.isclose(rate, expected)
