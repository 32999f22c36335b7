"""The ranker as a process: a real Valkey, a real Kafka, a real socket, and the client."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from cache.redis_store import Profile, RedisStore
from cache.store import HistoryEvent, HistoryUpdate, ReleaseState
from inference.client import RankClient, RankerUnreachable, RankFailed
from inference.history import encode_event
from inference.release import Release, load_release
from inference.serving.decode import MAX_BODY_BYTES
from inference.serving.schema import PrepareRequest
from local.ports import free_port
from local.valkey import running_valkey
from runtime.ids import UserId
from runtime.settings import RedisSettings
from streams.wire.topics import Topic
from tests.agents import Topics, click, make_live, new_user
from tests.integration.inference.ranker import fill_items, rank_request, values
from tests.processes import PATIENT, RankerProcess
from tests.waiting import eventually, wait_until

pytestmark = [pytest.mark.redis, pytest.mark.kafka]


async def add_click(store: RedisStore, user: UserId, item: str, offset: int = 0) -> int:
    """A click in the history as user refresh writes it, without its row; returns its time."""
    event = click(user, item)
    stored = HistoryEvent(event.event_id, event.event_time_ms, offset, encode_event(event))
    await store.apply_activity([HistoryUpdate(user, [stored])])
    return event.event_time_ms


async def test_a_click_in_the_history_is_in_the_next_slate(client: RankClient, store: RedisStore) -> None:
    user = new_user()
    before = await client.rank(rank_request(user, k=40))
    assert (before.user.source, before.version, before.variant) == ("default", "v1", "small")
    time_ms = await add_click(store, user, "item-3")
    after = await client.rank(rank_request(user, k=40))
    assert (after.user.source, after.user.as_of_ms) == ("computed", time_ms)
    assert [item.score for item in after.items] != [item.score for item in before.items]

    async def is_direct() -> bool:
        return (await client.rank(rank_request(user))).user.source == "direct"

    await eventually(is_direct, 30)


async def test_ids_of_any_characters_are_ranked(client: RankClient) -> None:
    odd = ["{a}", "~", "~writes", "%7E", "a b", "a:b", "a\nb", "\x00", "\U0001f600", "*", "é" * 128, "x" * 256]
    answer = await client.rank(rank_request("{user} ~\x00", odd, k=len(odd)))
    assert {item.item_id for item in answer.items} == set(odd)
    assert "store-unavailable" not in answer.degraded


async def test_slates_and_misses_reach_their_topics(client: RankClient, store: RedisStore, topics: Topics) -> None:
    user = new_user()
    wanted = (Topic.SLATES_SERVED, Topic.ITEM_MISSES, Topic.USER_MISSES, Topic.RETRIEVAL_EVENTS)
    ends = {topic: topics.ends(topic) for topic in wanted}
    await add_click(store, user, "item-3")
    answer = await client.rank(rank_request(user, ["item-1", f"{user}-item"], request_id=f"{user}-r"))
    await client.prepare(PrepareRequest(request_id="r2", user_id=user))

    async def reported(topic: Topic, field: str, value: str) -> dict[str, Any]:
        def matching() -> list[dict[str, Any]]:
            records = values([record.value for record in topics.since(topic, ends[topic])])
            return [event for event in records if event[field] == value]

        (event,) = await eventually(matching, 30)
        return event

    slate = await reported(Topic.SLATES_SERVED, "request_id", f"{user}-r")
    assert (slate["user_id"], slate["version"]) == (user, "v1")
    shown = [item["item_id"] for item in slate["items"]]
    assert shown == [item.item_id for item in answer.items]
    await reported(Topic.ITEM_MISSES, "item_id", f"{user}-item")
    await reported(Topic.USER_MISSES, "user_id", user)
    started = await reported(Topic.RETRIEVAL_EVENTS, "user_id", user)
    assert (started["type"], started["request_id"]) == ("started", "r2")


async def test_a_body_of_ten_megabytes_is_refused_over_the_socket(ranker: RankerProcess) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(160):
            yield b" " * 65_536

    async with httpx.AsyncClient(base_url=ranker.url) as http:
        announced = await http.post("/v1/rank", content=b" " * 10_000_000)
        assert announced.status_code == 413
        assert str(MAX_BODY_BYTES) in announced.json()["error"]["message"]
        unannounced = await http.post("/v1/rank", content=endless())
        assert unannounced.status_code == 413
        assert (await http.get("/livez")).status_code == 200


async def test_the_ranker_describes_itself(ranker: RankerProcess) -> None:
    async with httpx.AsyncClient(base_url=ranker.url) as http:
        page = (await http.get("/openapi.json")).json()
        assert set(page["paths"]) == {"/v1/rank", "/v1/prepare", "/livez", "/readyz", "/metrics"}
        assert page["components"]["schemas"]["RankRequest"]["required"] == ["request_id", "user_id", "candidates", "k"]
        assert "solaris_ranker_request_seconds_bucket" in (await http.get("/metrics")).text


async def test_errors_come_to_the_client_with_their_field(client: RankClient) -> None:
    with pytest.raises(RankFailed, match="candidates") as failed:
        await client.rank(rank_request("u", []))
    assert (failed.value.status, failed.value.param) == (400, "candidates")


async def test_a_ranker_that_is_not_there_is_unreachable_at_once() -> None:
    async with RankClient(f"http://127.0.0.1:{free_port()}") as client:
        with pytest.raises(RankerUnreachable, match="no ranker answers"):  # one that waited says how long
            await client.rank(rank_request("u"))


async def test_every_slate_has_one_version_while_releases_are_switched(
    client: RankClient, store: RedisStore, live: Release, release_folder: Path
) -> None:
    await make_live(store, release_folder, "v2", live=False, seed=5)
    second = load_release(release_folder / "v2")
    await fill_items(store, second)
    before = await store.read_release("main")
    after = ReleaseState("v2", None, "v1", before.entries)

    async def is_acknowledged() -> bool:
        return bool(await store.acknowledged(second.model_version, 0))

    await eventually(is_acknowledged, 60)
    versions: list[str] = []
    stop = asyncio.Event()

    async def ask() -> None:
        while not stop.is_set():
            answer = await client.rank(rank_request("nobody", k=3))
            assert "items-missing" not in answer.degraded
            versions.append(answer.version)

    askers = [asyncio.create_task(ask()) for _ in range(3)]
    await eventually(lambda: len(versions) > 10, 60)
    assert await store.change_release("main", before, after)
    await eventually(lambda: versions[-1] == "v2", 60)
    assert await store.change_release("main", after, ReleaseState("v1", None, "v2", before.entries))
    await eventually(lambda: versions[-1] == "v1", 60)
    stop.set()
    await asyncio.gather(*askers)
    assert set(versions) == {"v1", "v2"}


async def test_a_frozen_redis_is_answered_around_and_forgotten_when_it_is_back(
    kafka_topics: str, tmp_path: Path
) -> None:
    with running_valkey(tmp_path / "valkey") as server:
        store = RedisStore.connect(RedisSettings(url=server.url), Profile.AGENT)
        await make_live(store, tmp_path / "releases", "v1")
        await fill_items(store, load_release(tmp_path / "releases" / "v1"))
        ranker = RankerProcess(kafka_topics, server.url, tmp_path / "ranker").start()
        try:
            await asyncio.to_thread(ranker.wait_ready)
            async with Redis.from_url(server.url) as admin, RankClient(ranker.url) as client:

                async def is_well() -> bool:
                    return "store-unavailable" not in (await client.rank(rank_request("u"))).degraded

                pid = (await admin.info("server"))["process_id"]
                await eventually(is_well, 30)
                os.kill(pid, signal.SIGSTOP)
                try:
                    answer = await client.rank(rank_request("u", k=3))
                    assert "store-unavailable" in answer.degraded  # and not "hydrate-late": long before the deadline
                    assert [item.item_id for item in answer.items] == ["item-0", "item-1", "item-2"]
                finally:
                    os.kill(pid, signal.SIGCONT)
                await eventually(is_well, 30)
            assert await asyncio.to_thread(ranker.stop) == 0
        finally:
            ranker.kill()
            await store.close()


def test_what_was_served_before_sigterm_is_reported_and_the_status_is_zero(
    live: Release, redis_url: str, kafka_topics: str, topics: Topics, tmp_path: Path
) -> None:
    ranker = RankerProcess(kafka_topics, redis_url, tmp_path, dict(PATIENT)).start().wait_ready()
    ends = topics.ends(Topic.SLATES_SERVED)  # what the tests before were served has been reported by now

    async def serve() -> None:
        async with RankClient(ranker.url) as client:
            for number in range(5):
                await client.rank(rank_request("u", request_id=f"last-{number}"))

    asyncio.run(serve())
    assert ranker.stop() == 0
    slates = wait_until(lambda: values([record.value for record in topics.since(Topic.SLATES_SERVED, ends)]))
    assert {slate["request_id"] for slate in slates} == {f"last-{number}" for number in range(5)}
