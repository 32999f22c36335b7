"""User refresh against a real broker and a real store."""

import uuid
from pathlib import Path

import numpy as np
import pytest

from cache import keys
from cache.redis_store import RedisStore
from cache.row import RowKind, decode_rows, rev_of, width_of
from inference.release import Release
from inference.user_row import encode_user_rows
from local.kafka import running_kafka
from local.valkey import connect
from runtime import clock
from runtime.ids import ModelVersion, UserId
from streams.agent.exits import Exit
from streams.wire.codec import encode
from streams.wire.events import Retrieval, UserMiss
from streams.wire.record import Record
from streams.wire.topics import Topic, dead_letter_topic
from tests.agents import Topics, click, new_user
from tests.processes import AgentProcess
from tests.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.timeout(400)]

V1 = ModelVersion("main", "v1")
MODULE = "streams.user_refresh"
GROUP = "solaris.user-refresh"


def retrieval(user: str) -> Retrieval:
    now_ms = clock.now_ms()
    return Retrieval(event_id=uuid.uuid4().hex, event_time_ms=now_ms, type="started", request_id="r", user_id=user)


def miss(user: str) -> UserMiss:
    now_ms = clock.now_ms()
    return UserMiss(event_id=uuid.uuid4().hex, event_time_ms=now_ms, user_id=user, model="main", version="v1")


def header(record: Record, name: str) -> str:
    return (dict(record.headers)[name] or b"").decode()


async def has_history(store: RedisStore, user: UserId) -> bool:
    return bool((await store.read_histories([user]))[0].payloads)


async def test_a_click_reaches_the_history_and_the_row_of_an_active_user(
    store: RedisStore, topics: Topics, agent: AgentProcess
) -> None:
    user, idle = new_user(), new_user("idle")
    topics.send(Topic.RETRIEVAL_EVENTS, user, retrieval(user))
    topics.flush()

    async def is_active() -> bool:
        return await store.active_since([user], 0) == [True]

    await eventually(is_active, 60)
    topics.send(Topic.USER_ACTIVITY, user, click(user, "item-3"))
    topics.send(Topic.USER_ACTIVITY, idle, click(idle, "item-3"))
    topics.flush()

    async def row() -> bytes | None:
        return (await store.read_user_rows(V1, [user]))[0]

    assert await eventually(row, 60)
    await eventually(
        lambda: has_history(store, idle), 60
    )  # its record is of another partition, so maybe of a later batch
    assert await store.read_user_rows(V1, [idle]) == [None]


async def test_the_row_that_is_stored_is_the_one_that_the_release_computes(
    store: RedisStore, topics: Topics, agent: AgentProcess, release: Release
) -> None:
    user = new_user()
    for k in range(5):
        topics.send(Topic.USER_ACTIVITY, user, click(user, f"item-{k}"))
    topics.send(Topic.RETRIEVAL_EVENTS, user, retrieval(user))
    topics.flush()

    async def is_complete() -> bool:
        [history] = await store.read_histories([user])
        [row] = await store.read_user_rows(V1, [user])
        return len(history.payloads) == 5 and rev_of(row) == history.rev

    await eventually(is_complete, 60)
    [history] = await store.read_histories([user])
    [row] = await store.read_user_rows(V1, [user])
    expected = encode_user_rows(release, [history])
    width = release.manifest.user_width
    stored = decode_rows([row], RowKind.USER, V1, width, 0)
    np.testing.assert_allclose(stored.values, decode_rows(expected, RowKind.USER, V1, width, 0).values, atol=1e-3)
    assert stored.as_of_ms[0] == history.as_of_ms


async def test_a_missed_user_gets_a_row_and_an_unknown_one_a_negative_answer(
    store: RedisStore, topics: Topics, agent: AgentProcess
) -> None:
    user, unknown = new_user(), new_user("unknown")
    topics.send(Topic.USER_ACTIVITY, user, click(user, "item-3"))
    topics.flush()
    await eventually(lambda: has_history(store, user), 60)
    for missed in (user, unknown):
        topics.send(Topic.USER_MISSES, missed, miss(missed))
    topics.flush()

    async def rows() -> list[bytes] | None:
        found = await store.read_user_rows(V1, [user, unknown])
        return [row for row in found if row] if all(found) else None

    found = await eventually(rows, 60)
    assert found is not None
    known_row, unknown_row = found
    assert rev_of(known_row) > 0
    assert (rev_of(unknown_row), width_of(unknown_row)) == (0, 0)


async def test_poison_records_are_buried_with_their_place_and_nothing_else_is_lost(
    store: RedisStore, topics: Topics, agent: AgentProcess
) -> None:
    users = [new_user() for _ in range(30)]
    poison: list[tuple[bytes | None, bytes | None, str]] = [
        (b"u", b"not json", "not-json"),
        (b"u", None, "null-value"),
        (None, encode(click("u", "i")), "null-key"),
        (b"other", encode(click("u", "i")), "key-mismatch"),
        (b"u", b'{"event_id":"e"}', "missing-field"),
        (b"u", encode(click("u", "i", time_ms=4_000_000_000_000)), "future"),
        (b"", b"{}", "bad-key"),
    ]
    letters = dead_letter_topic(Topic.USER_ACTIVITY)
    before = topics.ends(letters)
    for user in users:
        topics.send(Topic.USER_ACTIVITY, user, click(user, "item-1"))
        for key, value, _ in poison[:1] if user != users[5] else poison:
            topics.send_raw(Topic.USER_ACTIVITY, key, value)
    topics.flush()

    async def all_known() -> bool:
        return all(history.payloads for history in await store.read_histories(users))

    await eventually(all_known, 60)
    expected = sorted([reason for _, _, reason in poison] + ["not-json"] * (len(users) - 1))
    found: list[Record] = []

    def all_buried() -> bool:
        found[:] = topics.since(letters, before)
        return len(found) >= len(expected)

    await eventually(all_buried, 60)
    assert sorted(header(letter, "reason") for letter in found) == expected
    for letter in found:
        [original] = [value for _, value, reason in poison if reason == header(letter, "reason")]
        assert letter.value == original
        place = {int(header(letter, "partition")): int(header(letter, "offset"))}
        source = [r for r in topics.since(Topic.USER_ACTIVITY, place) if r.partition in place]
        assert (source[0].key, source[0].value) == (letter.key, letter.value)
    assert agent.child is not None
    assert agent.child.status is None


async def test_records_that_each_fail_for_their_own_sake_are_buried_and_stop_nobody(
    store: RedisStore, topics: Topics, agent: AgentProcess, redis_url: str
) -> None:
    """Histories of the wrong type: the store refuses these users and no others, first in a batch of their own."""
    broken, well = [new_user("broken") for _ in range(3)], [new_user() for _ in range(5)]
    with connect(int(redis_url.rsplit(":", 1)[1].split("/")[0])) as client:
        for user in broken:
            client.set(keys.history(user), "no sorted set")
    letters = dead_letter_topic(Topic.USER_ACTIVITY)
    before = topics.ends(letters)

    def buried() -> set[bytes | None]:
        found = topics.since(letters, before)
        assert {header(letter, "reason") for letter in found} <= {"effect-failed"}
        return {letter.key for letter in found}

    for user in broken[:2]:
        topics.send(Topic.USER_ACTIVITY, user, click(user, "item-1"))
    topics.flush()
    await eventually(lambda: buried() == {user.encode() for user in broken[:2]}, 60)
    for user in [*well, *broken]:
        topics.send(Topic.USER_ACTIVITY, user, click(user, "item-1"))
    topics.flush()

    async def all_known() -> bool:
        return all(history.payloads for history in await store.read_histories(well))

    await eventually(all_known, 60)
    await eventually(lambda: buried() == {user.encode() for user in broken}, 60)
    assert agent.metric('solaris_agent_paused{reason="effect"}') == 0


async def test_the_watermarks_follow_the_broker_while_nothing_happens(
    store: RedisStore, topics: Topics, agent: AgentProcess
) -> None:
    now_ms = clock.now_ms()

    async def all_moved() -> bool:
        marks = (await store.read_watermarks([Topic.USER_ACTIVITY]))[Topic.USER_ACTIVITY]
        return len(marks) == 8 and min(marks.values()) > now_ms + 1_000

    await eventually(all_moved, 60)


async def test_the_page_shows_metrics_and_readiness_and_nothing_of_fausts(
    store: RedisStore, topics: Topics, agent: AgentProcess
) -> None:
    await eventually(lambda: agent.get("/readyz")[0] == 200, 60)
    assert agent.get("/livez")[0] == 200
    assert "solaris_agent_records_total" in agent.get("/metrics")[1]
    assert agent.get("/table/")[0] == 404
    assert agent.get("/router/")[0] == 404


def test_without_its_topics_the_agent_says_so_and_does_not_start(
    kafka_bootstrap: str, redis_url: str, tmp_path: Path
) -> None:
    with running_kafka(tmp_path / "bare") as bare:
        agent = AgentProcess(MODULE, bare.bootstrap, redis_url, tmp_path / "agent").start()
        assert agent.child is not None
        assert agent.child.wait_exit(60)
    assert agent.child.status == Exit.MISCONFIGURED
    assert "reco.user.activity.v1: missing" in agent.log.read_text()
