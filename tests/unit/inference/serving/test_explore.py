"""Slots filled by chance: how many, by whom, with which probability; and that nobody else notices."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.evaluation.explored import judge_explored
from inference.serving.explore import Slots, explore, greedy
from inference.serving.settings import RankerSettings
from inference.training.topics_dataset import MIN_REQUESTS, join
from runtime.clock import SystemClock
from streams.wire.codec import decode_value, encode
from streams.wire.events import Activity
from streams.wire.topics import Topic
from tests.unit.inference.releases import ITEMS
from tests.unit.inference.serving.world import USER, World, candidates, running_world

IDS = [f"i{number:02}" for number in range(12)]
RANKED = [5, 3, 8, 0, 11, 1]  # the best six of twelve
ALL = np.ones(len(IDS), dtype=bool)


def drawn(share: float, num_requests: int = 4_000, ranked: list[int] = RANKED) -> list[Slots]:
    return [explore(ranked, IDS, ALL, share, f"u\nr{number}") for number in range(num_requests)]


def test_without_a_share_the_best_stand_in_order() -> None:
    assert explore(RANKED, IDS, ALL, 0.0, "seed") == greedy(RANKED)
    assert greedy(RANKED) == Slots(RANKED, [False] * 6, [1.0] * 6)


def test_a_share_of_the_slots_is_explored_in_every_position_alike() -> None:
    explored = np.array([slots.explored for slots in drawn(0.2)])
    assert explored.mean() == pytest.approx(0.2, abs=0.01)
    assert explored.mean(axis=0) == pytest.approx(0.2, abs=0.03)  # 4000 requests: deviation 0.0063


def test_the_first_slot_draws_every_candidate_alike() -> None:
    first = Counter(slots.chosen[0] for slots in drawn(0.5) if slots.explored[0])
    expected = sum(first.values()) / len(IDS)
    assert set(first) == set(range(len(IDS)))
    chi_square = sum((count - expected) ** 2 / expected for count in first.values())
    assert chi_square < 31.3  # of 11 degrees of freedom: 1 in 1000 above


def test_a_later_slot_draws_those_that_are_left_alike() -> None:
    """Where the two slots before went by rank, ten candidates are left, and each has a tenth."""
    third = Counter(
        slots.chosen[2] for slots in drawn(0.5, 8_000) if slots.explored[2] and slots.chosen[:2] == RANKED[:2]
    )
    expected = sum(third.values()) / 10
    assert set(third) == set(range(len(IDS))) - set(RANKED[:2])
    assert sum((count - expected) ** 2 / expected for count in third.values()) < 27.9  # of 9: 1 in 1000 above


def test_propensities_are_the_frequencies() -> None:
    """Averages over what was shown, weighted by 1 / propensity, estimate the average over all candidates."""
    first = Counter(slots.chosen[0] for slots in drawn(0.3))
    stated = {slots.chosen[0]: slots.propensity[0] for slots in drawn(0.3)}
    for index, count in first.items():
        assert count / 4_000 == pytest.approx(stated[index], abs=0.03 if index == RANKED[0] else 0.01)
    assert stated[RANKED[0]] == pytest.approx(0.7 + 0.3 / 12)
    assert stated[RANKED[1]] == pytest.approx(0.3 / 12)
    shown = np.array([[slots.propensity[slot] for slot in range(6)] for slots in drawn(0.3)])
    assert (1 / shown).mean(axis=0) == pytest.approx([12, 11, 10, 9, 8, 7], rel=0.1)


@given(st.permutations(range(12)), st.integers(1, 12), st.floats(0, 1), st.text(max_size=8), st.integers(0, 12))
def test_slots_hold_different_items_and_what_is_unknown_stays_last(
    order: list[int], num_slots: int, share: float, seed: str, num_known: int
) -> None:
    known = np.zeros(12, dtype=bool)
    known[order[:num_known]] = True
    slots = explore(order[:num_slots], IDS, known, share, seed)
    assert len(set(slots.chosen)) == len(slots.chosen) == len(slots.explored) == len(slots.propensity) == num_slots
    assert known[slots.chosen[:num_known]].all()
    assert slots.chosen[num_known:] == order[num_known:num_slots]
    assert not any(slots.explored[num_known:])
    assert all(0 < p <= 1 for p in slots.propensity)


def test_the_slots_that_are_not_explored_keep_the_order_of_the_ranking() -> None:
    for slots in drawn(0.4, 200):
        by_rank = [RANKED.index(index) for index, by_chance in zip(slots.chosen, slots.explored, strict=True)
                   if not by_chance]  # fmt: skip
        assert by_rank == sorted(by_rank)


def test_the_order_of_the_candidates_decides_nothing() -> None:
    reverse = {index: 11 - index for index in range(12)}
    for number in range(50):
        forwards = explore(RANKED, IDS, ALL, 0.5, str(number))
        backwards = explore([reverse[index] for index in RANKED], IDS[::-1], ALL, 0.5, str(number))
        assert [reverse[index] for index in backwards.chosen] == forwards.chosen


@pytest.mark.parametrize("share", ["-0.01", "1.01", "nan"])
def test_a_share_that_is_none_stops_the_process(share: str) -> None:
    with pytest.raises(ValueError, match=f"explore_share is {share}"):
        RankerSettings(explore_share=float(share))


async def answers(world: World, num_requests: int, **fields: Any) -> list[dict[str, Any]]:  # Any: parts of a request
    return [await world.answer(request_id=f"r-{number}", k=10, **fields) for number in range(num_requests)]


async def test_a_request_asked_again_gets_the_same_slots_and_another_one_others(bundles: Path) -> None:
    async with running_world(bundles, RankerSettings(name="ranker-1", explore_share=0.5)) as world:
        await world.fill_items()
        first, again = await answers(world, 20), await answers(world, 20, candidates=candidates()[::-1])
        placed = [[(item["item_id"], item.get("explored", False)) for item in answer["items"]] for answer in first]
        assert placed == [
            [(item["item_id"], item.get("explored", False)) for item in answer["items"]] for answer in again
        ]
        assert len({tuple(items) for items in placed}) == 20


async def test_the_answer_and_the_slate_mark_the_same_slots(bundles: Path) -> None:
    async with running_world(bundles, RankerSettings(name="ranker-1", explore_share=0.25)) as world:
        await world.fill_items()
        given = await answers(world, 40)
        slates = world.sent(Topic.SLATES_SERVED)
        num_explored = 0
        for answer, slate in zip(given, slates, strict=True):
            assert decode_value(Topic.SLATES_SERVED, encode(slate)) == slate
            assert slate.policy == "explore-0.25"
            marked = [item.get("explored", False) for item in answer["items"]]
            shown = [item for item in slate.items if item.position is not None]
            assert [item.explored for item in shown] == marked
            assert [item.item_id for item in shown] == [item["item_id"] for item in answer["items"]]
            assert not any(item.explored for item in slate.items if item.position is None)
            for slot, item in enumerate(shown):
                low = 0.25 / (len(ITEMS) - slot)
                assert item.propensity in (pytest.approx(low), pytest.approx(low + 0.75))
                assert item.explored or item.propensity > 0.75
            num_explored += sum(marked)
            assert {item["source"] for item in answer["items"]} <= {"pair", "aggregate", "neighbour", "default"}
        assert 60 <= num_explored <= 140  # 100 of 400 expected, deviation 8.7


async def test_a_request_that_does_not_explore_gets_its_slate_in_order(bundles: Path) -> None:
    async with running_world(bundles, RankerSettings(name="ranker-1", explore_share=1.0)) as world:
        await world.fill_items()
        for answer in await answers(world, 5, explore=False):
            scores = [item["score"] for item in answer["items"]]
            assert scores == sorted(scores, reverse=True)
            assert not any("explored" in item for item in answer["items"])
        assert {slate.policy for slate in world.sent(Topic.SLATES_SERVED)} == {"greedy"}


async def test_an_item_that_is_gone_is_not_placed_by_chance_above_one_that_has_a_row(bundles: Path) -> None:
    async with running_world(bundles, RankerSettings(name="ranker-1", explore_share=1.0)) as world:
        await world.fill_items(["item-1", "item-2", "item-3"])
        await world.lose_items(["old-1", "old-2", "old-3"])
        offered = candidates(["old-1", "item-1", "old-2", "item-2", "old-3", "item-3"])
        for number in range(20):
            answer = await world.answer(request_id=f"r-{number}", k=5, candidates=offered)
            assert [item["item_source"] for item in answer["items"]] == ["row"] * 3 + ["default"] * 2


async def test_a_slate_in_retrieval_order_has_no_slot_by_chance(bundles: Path) -> None:
    async with running_world(bundles, RankerSettings(name="ranker-1", explore_share=1.0)) as world:
        await world.fill_items()

        async def nothing(*_: object) -> None:
            raise TimeoutError

        world.store.hydrate = nothing  # type: ignore[assignment, method-assign]
        answer = await world.answer(k=5)
        assert answer["variant"] == "retrieval-order"
        assert [item["item_id"] for item in answer["items"]] == [one["item_id"] for one in candidates()[:5]]


async def test_openapi_documents_the_field_and_the_switch(world: World) -> None:
    schemas = (await world.client.get("/openapi.json")).json()["components"]["schemas"]
    assert schemas["RankRequest"]["properties"]["explore"]["default"] is True
    assert "SOLARIS_RANKER_EXPLORE_SHARE" in schemas["RankRequest"]["properties"]["explore"]["description"]
    assert schemas["RankedItem"]["properties"]["explored"] == {"type": "boolean", "default": False}


async def test_what_was_served_and_clicked_is_judged_on_the_slots_that_chance_filled(bundles: Path) -> None:
    """From the answer over the slate on its topic to the rows that training judges by; users click every fifth item."""
    rng = np.random.default_rng(0)
    activities: list[Activity] = []
    num_explored = 0
    async with running_world(bundles, RankerSettings(name="ranker-1", explore_share=0.3)) as world:
        await world.fill_items()
        for answer in await answers(world, MIN_REQUESTS):
            shown_ms = SystemClock().now_ms()
            for position, item in enumerate(answer["items"]):
                for kind in ["impression", "click"][: 1 + int(rng.random() < 0.2)]:
                    activities.append(_activity(answer["request_id"], item["item_id"], position, kind, shown_ms))
                num_explored += item.get("explored", False)
        slates = world.sent(Topic.SLATES_SERVED)
        assert len(slates) == MIN_REQUESTS
    data = join(ITEMS, activities, slates, now_ms=SystemClock().now_ms() + 48 * 3_600_000, context_width=4)
    assert data.uniform.sum() == num_explored
    assert data.uniform.mean() == pytest.approx(0.3, abs=0.03)
    assert data.propensity[data.uniform].min() < 0.3 / 30 < 0.7 < data.propensity[~data.uniform].min()
    report = judge_explored(data, {"a fifth": np.full(len(data.clicked), 0.2)})
    assert (report["rows"], report["clicks"]) == (num_explored, data.clicked[data.uniform].sum())
    assert report["quality"]["a fifth"]["calibration"] == pytest.approx(1.0, abs=0.25)


def _activity(request_id: str, item: str, position: int, kind: str, time_ms: int) -> Activity:
    return Activity(
        event_id=f"{request_id} {item} {kind}", event_time_ms=time_ms, user_id=USER, item_id=item, kind=kind,
        request_id=request_id, position=position,
    )  # fmt: skip
