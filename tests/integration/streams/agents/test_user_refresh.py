"""User refresh against a real broker and a real store."""

import pytest

from cache.redis_store import RedisStore
from runtime.ids import ModelVersion
from streams.wire.events import Retrieval
from streams.wire.topics import Topic
from tests.agents import Topics, click, new_user
from tests.integration.streams.agents.conftest import Start
from tests.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.redis]

V1 = ModelVersion("main", "v1")
MODULE = "streams.user_refresh"


async def test_a_click_reaches_the_history_and_the_row_of_an_active_user(
    live_store: RedisStore, topics: Topics, start: Start
) -> None:
    user, idle = new_user(), new_user("idle")
    start(MODULE)
    retrieval = Retrieval(
        event_id="t1", event_time_ms=click(user, "x").event_time_ms, type="started", request_id="r", user_id=user
    )
    topics.send(Topic.RETRIEVAL_EVENTS, user, retrieval)
    topics.flush()
    await eventually(lambda: live_store.active_since([user], 0), 20)

    topics.send(Topic.USER_ACTIVITY, user, click(user, "item-3"))
    topics.send(Topic.USER_ACTIVITY, idle, click(idle, "item-3"))
    topics.flush()

    async def row() -> bytes | None:
        return (await live_store.read_user_rows(V1, [user]))[0]

    assert await eventually(row)
    assert (await live_store.read_histories([idle]))[0].payloads
    assert await live_store.read_user_rows(V1, [idle]) == [None]
