"""The path of a request over HTTP, with the in-memory store and a real release."""

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from cache.store import History
from inference.commands.rank import table
from inference.serving.schema import RankAnswer
from runtime.ids import UserId
from streams.wire.topics import Topic
from tests.unit.inference.releases import ITEMS
from tests.unit.inference.serving.world import MODEL, USER, World, candidates


async def test_a_warm_request_gets_a_scored_slate_that_says_how_fresh_it_is(warm: World) -> None:
    answer = await warm.answer(k=7, request_id="r-9")
    assert (answer["request_id"], answer["user_id"], answer["model"]) == ("r-9", USER, MODEL)
    assert (answer["version"], answer["variant"]) == ("v1", "standard")
    assert answer["degraded"] == []
    assert answer["user"]["source"] == "direct"
    assert answer["user"]["age_ms"] >= 0
    assert 0 <= answer["behind_ms"] < 10_000
    assert len(answer["items"]) == 7
    scores = [item["score"] for item in answer["items"]]
    assert scores == sorted(scores, reverse=True)
    for item in answer["items"]:
        assert 0 < item["p_click"] < 1
        assert 0 < item["p_conversion"] < 1
        assert item["item_source"] == "row"
        assert item["source"] in ("pair", "aggregate")
        assert item["age_ms"] >= 0
        assert item["as_of_ms"] == answer["user"]["as_of_ms"]


async def test_the_score_is_bid_times_click_times_one_plus_weighted_conversion(warm: World) -> None:
    offered = [{"item_id": "item-4", "bid": 2.5}, {"item_id": "item-5"}, {"item_id": "item-9", "bid": 0.0}]
    answer = await warm.answer(candidates=offered, k=3)
    weight = warm.release.manifest.conversion_weight
    bids = {"item-4": 2.5, "item-5": 1.0, "item-9": 0.0}
    for item in answer["items"]:
        expected = bids[item["item_id"]] * item["p_click"] * (1 + weight * item["p_conversion"])
        assert item["score"] == pytest.approx(expected, rel=1e-12)
    assert answer["items"][-1]["item_id"] == "item-9"


async def test_each_item_says_which_tier_it_stands_on(warm: World) -> None:
    answer = await warm.answer(k=len(ITEMS))
    sources = {item["item_id"]: item["source"] for item in answer["items"]}
    assert {item for item, source in sources.items() if source == "pair"} == {"item-1", "item-2", "item-3"}
    assert sources["item-4"] == "aggregate"


async def test_a_user_nobody_knows_gets_the_default_and_the_small_variant(warm: World) -> None:
    answer = await warm.answer(user_id="stranger")
    assert answer["user"] == {"source": "default", "age_ms": None, "as_of_ms": None}
    assert answer["variant"] == "small"
    assert answer["degraded"] == []
    assert {item["source"] for item in answer["items"]} == {"default"}
    assert {item["age_ms"] for item in answer["items"]} == {None}


async def test_pairs_of_a_user_nobody_knows_claim_no_event(warm: World) -> None:
    nobody = UserId("nobody")
    await warm.fill_pairs(["item-1"], nobody)
    answer = await warm.answer(user_id=nobody, k=40)
    assert answer["user"]["source"] == "default"
    sources = {(item["source"], item["as_of_ms"]) for item in answer["items"]}
    assert sources == {("pair", None), ("aggregate", None)}
    shown = "\n".join(table(msgspec.convert(answer, RankAnswer)))
    assert "computed before anything was known of this one" in shown
    known = "\n".join(table(msgspec.convert(await warm.answer(), RankAnswer)))
    assert "computed before anything" not in known


async def test_a_click_is_in_the_next_answer_though_no_agent_refreshed_the_row(warm: World) -> None:
    time_ms = await warm.click("item-17", offset=3)
    answer = await warm.answer()
    assert answer["user"] == {"source": "computed", "age_ms": 0, "as_of_ms": time_ms}
    assert answer["degraded"] == []
    assert [event.user_id for event in warm.sent(Topic.USER_MISSES)] == [USER]


async def test_a_computed_row_is_written_back_for_the_next_request(world: World) -> None:
    await world.click("item-1")
    assert (await world.answer())["user"]["source"] == "computed"
    await world.app.ranker.drain(5)
    assert (await world.answer())["user"]["source"] == "direct"


async def test_a_computed_row_ranks_like_the_one_an_agent_would_have_written(world: World) -> None:
    await world.fill_items()
    await world.click("item-30")
    computed = await world.answer(k=40)
    await world.refresh_user()
    direct = await world.answer(k=40)
    assert (computed["user"]["source"], direct["user"]["source"]) == ("computed", "direct")
    assert [item["score"] for item in computed["items"]] == [item["score"] for item in direct["items"]]


async def test_unknown_items_rank_by_the_default_and_are_reported_once(warm: World) -> None:
    offered = candidates(["item-1", "new-1", "new-2"])
    for _ in range(3):
        answer = await warm.answer(candidates=offered)
        assert answer["degraded"] == ["items-missing"]
        found = {item["item_id"]: item["item_source"] for item in answer["items"]}
        assert found == {"item-1": "row", "new-1": "default", "new-2": "default"}
    assert sorted(event.item_id for event in warm.sent(Topic.ITEM_MISSES)) == ["new-1", "new-2"]


async def test_an_item_without_a_row_is_ranked_by_its_score_and_one_that_is_gone_comes_last(warm: World) -> None:
    await warm.lose_items(["old-1"])
    offered = candidates(["item-1", "new-1", "old-1"])
    offered[1]["bid"] = offered[2]["bid"] = 1_000.0
    answer = await warm.answer(candidates=offered)
    assert [item["item_id"] for item in answer["items"]] == ["new-1", "item-1", "old-1"]
    assert [item["source"] for item in answer["items"]] == [
        "default",
        "pair",
        "default",
    ]  # though there is an aggregate
    assert answer["items"][0]["p_click"] == answer["items"][2]["p_click"]


async def test_the_order_of_candidates_does_not_change_the_slate(world: World) -> None:
    await world.fill_items()  # without pairs, whose age enters the score and grows between the requests
    forwards = await world.answer(k=10)
    backwards = await world.answer(k=10, candidates=candidates()[::-1])
    assert [item["item_id"] for item in forwards["items"]] == [item["item_id"] for item in backwards["items"]]
    for one, other in zip(forwards["items"], backwards["items"], strict=True):
        assert one["score"] == pytest.approx(other["score"], rel=1e-5)


async def test_explain_adds_what_the_model_saw(warm: World) -> None:
    answer = await warm.answer(explain=True, k=40)
    facts = answer["explain"]
    assert facts["num_candidates"] == facts["num_item_rows"] == len(ITEMS)
    assert facts["tiers"] == {"pair": 3, "aggregate": 37, "neighbour": 0, "default": 0}
    assert facts["history_rev"] == facts["user_rev"] == 3
    assert all(item["explain"]["row_norm"] > 0 for item in answer["items"])


async def test_stages_add_up_to_the_total(warm: World) -> None:
    stages = (await warm.answer())["stages_ms"]
    assert set(stages) == {"decode", "hydrate", "user", "queue", "score", "select", "total"}
    assert sum(value for name, value in stages.items() if name != "total") <= stages["total"] + 0.01


async def test_a_served_slate_is_reported_with_the_shown_and_sixteen_others(warm: World) -> None:
    answer = await warm.answer(k=5, experiment="b", surface="home", context={"device": "phone"})
    (slate,) = warm.sent(Topic.SLATES_SERVED)
    shown = [item for item in slate.items if item.position is not None]
    others = [item for item in slate.items if item.position is None]
    assert [item.item_id for item in shown] == [item["item_id"] for item in answer["items"]]
    assert [item.position for item in shown] == [0, 1, 2, 3, 4]
    assert {item.propensity for item in shown} == {1.0}
    assert len(others) == 16
    assert {item.propensity for item in others} == {16 / 35}
    assert (slate.user_source, slate.user_rev) == ("direct", 3)
    assert (slate.experiment, slate.surface, slate.context) == ("b", "home", {"device": "phone"})
    assert slate.user_as_of_ms == answer["user"]["as_of_ms"]


async def test_prepare_announces_retrieval_and_computes_the_user_ahead(world: World) -> None:
    await world.click("item-1")
    response = await world.client.post("/v1/prepare", json={"request_id": "r1", "user_id": USER, "surface": "home"})
    assert response.status_code == 202
    assert response.json() == {"request_id": "r1", "user_id": USER, "model": MODEL, "version": "v1"}
    (event,) = world.sent(Topic.RETRIEVAL_EVENTS)
    assert (event.type, event.request_id, event.user_id, event.surface) == ("started", "r1", USER, "home")
    await world.app.ranker.drain(5)
    assert (await world.answer())["user"]["source"] == "direct"


async def test_concurrent_requests_of_one_user_compute_the_row_once(world: World) -> None:
    await world.fill_items()
    user = UserId("busy")
    await world.click("item-1", user=user)
    reads = 0
    read = world.store.read_histories

    async def counted(users: Sequence[UserId]) -> list[History]:
        nonlocal reads
        reads += 1
        return await read(users)

    world.store.read_histories = counted  # type: ignore[method-assign]
    answers = await asyncio.gather(*[world.answer(user_id=user, request_id=f"r{i}") for i in range(8)])
    assert {answer["user"]["source"] for answer in answers} <= {"computed", "direct"}
    assert reads == 1
