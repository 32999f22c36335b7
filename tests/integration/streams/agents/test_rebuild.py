"""`python -m streams rebuild` gives an emptied store back what it had, beside running agents."""

import json
import subprocess
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cache.redis_store import RedisStore
from cache.row import RowKind, decode_rows
from cache.store import History
from inference.release import Release
from inference.release_log import release_events
from local.valkey import connect
from runtime import clock
from runtime.clock import now_ms
from runtime.ids import ItemId, ModelVersion, UserId
from runtime.settings import KafkaSettings
from streams.commands.rebuilding import Rebuild
from streams.wire.events import ItemUpdate, Retrieval
from streams.wire.topics import Topic
from tests.agents import Topics, click, make_live, new_user
from tests.integration.streams.agents.conftest import QUICK
from tests.processes import ROOT, AgentProcess
from tests.unit.inference.releases import ITEMS
from tests.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.timeout(400)]

V1 = ModelVersion("main", "v1")
MODULE = "streams.user_refresh"


def rebuild(topics: Topics, redis_url: str, *options: str) -> dict[str, Any]:  # Any: JSON
    """Run the command; its JSON."""
    env = {"SOLARIS_KAFKA_BOOTSTRAP": topics.bootstrap, "SOLARIS_REDIS_URL": redis_url, "PATH": ""}
    command = [sys.executable, "-m", "streams", "rebuild", "--json", *options]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def flush(redis_url: str) -> None:
    with connect(int(redis_url.rsplit(":", 1)[1].split("/")[0])) as client:
        client.flushall()


def send_all(topics: Topics, users: list[UserId], items: list[ItemId]) -> None:
    now_ms = clock.now_ms()
    for item, features in zip(items, ITEMS.values(), strict=False):
        event = ItemUpdate(event_id=uuid.uuid4().hex, event_time_ms=now_ms, item_id=item, features=features)
        topics.send(Topic.ITEM_UPDATES, item, event)
    for user in users:
        started = Retrieval(
            event_id=uuid.uuid4().hex, event_time_ms=now_ms, type="started", request_id="r", user_id=user
        )
        topics.send(Topic.RETRIEVAL_EVENTS, user, started)
        for k in range(150):  # more than a history holds
            topics.send(Topic.USER_ACTIVITY, user, click(user, items[k % len(items)], time_ms=now_ms - 1_000 * k))
    topics.flush()


async def state_of(
    store: RedisStore, release: Release, users: list[UserId], items: list[ItemId]
) -> tuple[list[History], Mapping[str, np.ndarray]]:
    """Histories, and rows as values, revs and event times."""
    manifest = release.manifest
    user_rows = decode_rows(await store.read_user_rows(V1, users), RowKind.USER, V1, manifest.user_width, 0)
    item_rows = decode_rows(await store.read_item_rows(V1, items), RowKind.ITEM, V1, manifest.item_width, 0)
    rows = {f"{kind}.{name}": getattr(rows, name) for kind, rows in (("user", user_rows), ("item", item_rows))
            for name in ("values", "rev", "as_of_ms", "present")}  # fmt: skip
    return await store.read_histories(users), rows


async def test_an_emptied_store_gets_back_what_it_had(
    store: RedisStore, topics: Topics, redis_url: str, release: Release, agent: AgentProcess, tmp_path: Path
) -> None:
    users = [new_user() for _ in range(4)]
    items = [ItemId(f"item-{uuid.uuid4().hex[:12]}") for _ in range(8)]
    state = await store.read_release("main")
    for event in release_events("main", type(state)(), state):
        topics.send(Topic.MODEL_RELEASES, event.model, event)
    send_all(topics, users, items)
    other = AgentProcess("streams.item_inference", topics.bootstrap, redis_url, tmp_path, dict(QUICK)).start()
    try:

        async def is_complete() -> bool:
            histories, rows = await state_of(store, release, users, items)
            complete = all(len(history.payloads) == 128 for history in histories)
            current = rows["user.rev"].tolist() == [history.rev for history in histories]
            return complete and current and bool(rows["item.present"].all())

        await eventually(is_complete, 60)
        before_histories, before_rows = await state_of(store, release, users, items)
        flush(redis_url)
        answer = rebuild(topics, redis_url, "--if-needed")  # the agents run on
        assert answer["release_restored"] == "v1"
        assert (answer["failed"], answer["nothing_missing"]) == (0, False)
        assert answer["items"] >= len(items)
        after_histories, after_rows = await state_of(store, release, users, items)
        assert after_histories == before_histories
        for name, values in before_rows.items():
            np.testing.assert_allclose(after_rows[name], values, atol=2e-3, err_msg=name)
        assert await store.missing_epochs() == []
        assert rebuild(topics, redis_url, "--if-needed") == {"rebuilt": False}
        again = rebuild(topics, redis_url)  # beside agents, in a store that has it all
        assert (again["rebuilt"], again["nothing_missing"]) == (True, True)
        assert (again["items"], again["history_events"], again["user_rows"]) == (0, 0, 0)
        assert again["items_known"] >= len(items)
        assert again["history_events_known"] >= 150 * len(users)
        assert again["users_current"] >= len(users)
        assert (await state_of(store, release, users, items))[0] == before_histories
    finally:
        other.kill()


async def test_live_staged_and_previous_come_back_from_the_one_record_that_compaction_leaves(
    store: RedisStore, topics: Topics, redis_url: str, release_folder: Path
) -> None:
    await make_live(store, release_folder, "v2", seed=1)
    await make_live(store, release_folder, "v3", live=False, seed=2)
    item = ItemId(f"item-{uuid.uuid4().hex[:12]}")
    send_all(topics, [], [item])
    state = await store.read_release("main")
    topics.send(Topic.MODEL_RELEASES, "main", release_events("main", type(state)(), state)[-1])
    topics.flush()
    flush(redis_url)
    answer = rebuild(topics, redis_url)
    restored = await store.read_release("main")
    assert (restored.live, restored.staged, restored.previous) == ("v2", "v3", "v1")
    assert restored.entries == state.entries
    assert answer["releases"] == ["main:v2", "main:v3", "main:v1"]
    for version in ("v1", "v2", "v3"):  # so that a rollback finds its rows
        [row] = await store.read_item_rows(ModelVersion("main", version), [item])
        assert row is not None


async def test_deletions_are_remembered_for_a_day_and_then_forgotten_and_never_undone(
    store: RedisStore, topics: Topics, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The topic still holds the updates from before: its newest segment is never compacted."""
    deleted, alive = (ItemId(f"item-{uuid.uuid4().hex[:12]}") for _ in range(2))
    send_all(topics, [], [deleted, alive])
    topics.send_raw(Topic.ITEM_UPDATES, deleted.encode(), None)
    topics.flush()

    async def after_rebuild() -> list[bool | None]:
        """Of both items: whether the store knows features, None if it has not heard of the item."""
        told = KafkaSettings(bootstrap=topics.bootstrap)
        await Rebuild(store, told, "main", say=lambda _: None, show_bar=False).run()
        return [None if entry is None else entry[1] is not None for entry in await store.read_items([deleted, alive])]

    assert await after_rebuild() == [False, True]
    in_two_days = now_ms() + 48 * 3_600_000
    monkeypatch.setattr("streams.commands.rebuilding.now_ms", lambda: in_two_days)
    assert await after_rebuild() == [None, True]
    assert await after_rebuild() == [None, True]
    flush(redis_url)
    assert await after_rebuild() == [None, True]
    assert await store.read_item_rows(V1, [deleted]) == [None]
