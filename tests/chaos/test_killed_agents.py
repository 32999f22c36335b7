"""Agents killed in the middle of their work: every effect is in, as if one agent had read the log once, in order.

The history recorded here is the log itself; the checker replays it record by record into the store's twin and compares
byte by byte. Two workers share the group, so every kill and every start moves partitions.
"""

import asyncio
import random
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from cache.memory import MemoryStore
from cache.redis_store import Profile, RedisStore
from cache.row import RowKind, decode_rows
from cache.store import History
from inference.effects.users import apply_activity
from inference.release import Release, load_release
from inference.user_row import encode_user_rows
from local.valkey import running_valkey
from runtime import clock
from runtime.ids import ModelVersion, UserId
from runtime.settings import KafkaSettings, RedisSettings
from streams.wire.codec import decode
from streams.wire.events import Activity, Retrieval
from streams.wire.producer import Producer
from streams.wire.record import Received, Record
from streams.wire.topics import Topic, dead_letter_topic
from tests.agents import Topics, click, make_live, new_user
from tests.processes import AgentProcess, stop_all
from tests.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.slow, pytest.mark.timeout(600)]

V1 = ModelVersion("main", "v1")
LETTERS = dead_letter_topic(Topic.USER_ACTIVITY)
SEED = 11
NUM_USERS = 20
NUM_EVENTS = 4_000  # 200 a user: more than a history keeps
SEND_S = 20.0
NUM_KILLS = 5
TWICE = 0.05  # of the events are sent again
POISON_EVERY = 100
SETTLE_S = 120.0


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[RedisStore]:
    with running_valkey(tmp_path / "valkey") as server:
        settings = RedisSettings(url=server.url)
        (tmp_path / "redis-url").write_text(server.url)
        store = RedisStore.connect(settings, Profile.AGENT)
        await make_live(store, tmp_path / "releases")
        yield store
        await store.close()


async def test_after_kills_at_random_moments_the_store_is_what_a_plain_replay_gives(
    kafka_topics: str, store: RedisStore, tmp_path: Path
) -> None:
    producer = Producer(KafkaSettings(bootstrap=kafka_topics), source="test")
    topics = Topics(kafka_topics, producer)
    activity_start, letters_start = topics.ends(Topic.USER_ACTIVITY), topics.ends(LETTERS)
    users = [new_user("chaos") for _ in range(NUM_USERS)]
    url, env = (tmp_path / "redis-url").read_text(), {"SOLARIS_AGENT_SESSION_MS": "3000"}
    agents = [AgentProcess("streams.user_refresh", kafka_topics, url, tmp_path / f"{i}", env) for i in range(2)]
    try:
        for agent in agents:
            agent.start()
        for agent in agents:
            agent.wait_consuming()
        _retrieve(topics, users)
        num_poison, num_kills = await asyncio.gather(_send(topics, users), _kill(agents))
        assert num_kills == NUM_KILLS
        log = topics.since(Topic.USER_ACTIVITY, activity_start)
        expected = await _plain_replay(log, users)

        async def is_expected() -> bool:
            return await store.read_histories(users) == expected

        await eventually(is_expected, SETTLE_S)
        _retrieve(topics, users)
        await _rows_become_current(store, load_release(tmp_path / "releases" / "v1"), expected)

        def all_buried() -> bool:
            letters = topics.since(LETTERS, letters_start)
            places = {(dict(letter.headers)["partition"], dict(letter.headers)["offset"]) for letter in letters}
            return len(places) == num_poison and all(letter.value == b"poison" for letter in letters)

        await eventually(all_buried, 60)
        assert [agent.stop(30) for agent in agents] == [0, 0]
    finally:
        stop_all(agents)
        producer.close()


async def _send(topics: Topics, users: Sequence[UserId]) -> int:
    """Events out of order, some of them twice, poison among them; returns how much poison."""
    random_ = random.Random(SEED)
    now_ms = clock.now_ms()
    started, num_poison, sent = time.monotonic(), 0, 0
    while sent < NUM_EVENTS:
        due = min(int((time.monotonic() - started) / SEND_S * NUM_EVENTS) + 1, NUM_EVENTS)
        while sent < due:
            user = users[sent % len(users)]
            event = click(user, f"item-{random_.randrange(40)}", time_ms=now_ms - random_.randrange(600_000))
            for _ in range(2 if random_.random() < TWICE else 1):
                topics.send(Topic.USER_ACTIVITY, user, event)
            if sent % POISON_EVERY == 0:
                topics.send_raw(Topic.USER_ACTIVITY, user.encode(), b"poison")
                num_poison += 1
            sent += 1
        await asyncio.sleep(0.05)
    topics.flush()
    return num_poison


async def _kill(agents: Sequence[AgentProcess]) -> int:
    """SIGKILL to one or the other, which is started again at once."""
    random_ = random.Random(SEED)
    for _ in range(NUM_KILLS):
        await asyncio.sleep(SEND_S / NUM_KILLS * random_.uniform(0.5, 1.2))
        agent = random_.choice(agents)
        agent.kill()
        agent.start()
    return NUM_KILLS


def _retrieve(topics: Topics, users: Sequence[UserId]) -> None:
    now_ms = clock.now_ms()
    for user in users:
        event = Retrieval(event_id=uuid.uuid4().hex, event_time_ms=now_ms, type="started", request_id="r", user_id=user)
        topics.send(Topic.RETRIEVAL_EVENTS, user, event)
    topics.flush()


async def _plain_replay(log: Sequence[Record], users: Sequence[UserId]) -> list[History]:
    """One record after the other into the twin, partition by partition."""
    twin = MemoryStore()
    for record in sorted(log, key=lambda record: (record.partition, record.offset)):
        event = decode(Topic.USER_ACTIVITY, record)
        if isinstance(event, Activity):
            one = Received(event, record.topic, record.partition, record.offset, record.append_time_ms)
            await apply_activity(twin, [], [one], kept=[], now_ms=0)
    histories = await twin.read_histories(users)
    assert all(len(history.payloads) == 128 for history in histories)
    return histories


async def _rows_become_current(store: RedisStore, release: Release, histories: Sequence[History]) -> None:
    users = [history.user for history in histories]
    width = release.manifest.user_width
    expected = decode_rows(encode_user_rows(release, histories), RowKind.USER, V1, width, 0)

    async def are_current() -> bool:
        rows = decode_rows(await store.read_user_rows(V1, users), RowKind.USER, V1, width, 0)
        return bool(rows.present.all()) and rows.rev.tolist() == expected.rev.tolist()

    await eventually(are_current, 60)
    rows = decode_rows(await store.read_user_rows(V1, users), RowKind.USER, V1, width, 0)
    np.testing.assert_allclose(rows.values, expected.values, atol=2e-3)
    assert rows.as_of_ms.tolist() == expected.as_of_ms.tolist()
