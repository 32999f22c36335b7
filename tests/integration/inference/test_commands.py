"""rank, probe and release from the command line, beside a real ranker, broker and store."""

import asyncio
import json
from pathlib import Path

import pytest

from cache.redis_store import Profile, RedisStore
from cache.store import ReleaseState
from inference.__main__ import main
from inference.release import Release
from inference.training.untrained import untrained_release
from runtime.settings import RedisSettings
from runtime.unreachable import EXIT_UNREACHABLE
from streams.wire.topics import Topic
from tests.agents import Topics
from tests.processes import AgentProcess, RankerProcess
from tests.unit.inference.releases import ITEMS
from tests.waiting import wait_until

pytestmark = [pytest.mark.redis, pytest.mark.kafka]
PATIENTLY = ("--deadline-ms", "20000")  # a busy machine must not decide what the slate holds


@pytest.fixture(autouse=True)
def addresses(monkeypatch: pytest.MonkeyPatch, redis_url: str, kafka_topics: str, live: Release) -> None:
    """What the commands would find in the environment."""
    monkeypatch.setenv("SOLARIS_REDIS_URL", redis_url)
    monkeypatch.setenv("SOLARIS_KAFKA_BOOTSTRAP", kafka_topics)


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    status = main(argv)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_rank_prints_a_table_of_items_that_the_store_knows(
    ranker: RankerProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = run(capsys, "rank", "--user", "7", "--k", "4", *PATIENTLY, "--url", ranker.url)
    assert status == 0
    assert "release main:v1" in out
    rows = [line.split() for line in out.splitlines() if line.strip()[:1].isdigit()]
    assert [row[0] for row in rows] == ["1", "2", "3", "4"]
    assert {row[1] for row in rows} <= set(ITEMS)


def test_rank_of_named_items_as_json(ranker: RankerProcess, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--user", "7", "--items", "item-1,item-2,zzz", "--json", "--explain", "--url", ranker.url)
    argv = ("rank", *words, *PATIENTLY)
    status, out, _ = run(capsys, *argv)
    answer = json.loads(out)
    assert (status, {item["item_id"] for item in answer["items"]}) == (0, {"item-1", "item-2", "zzz"})
    assert answer["explain"]["num_item_rows"] == 2


def test_rank_says_what_is_wrong_and_ends_with_one(ranker: RankerProcess, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "rank", "--user", "7", "--items", "a,a", "--url", ranker.url)
    assert (status, out) == (1, "")
    assert "candidates[1].item_id" in err


def test_probe_names_the_agent_that_is_not_there_and_then_measures_it(
    ranker: RankerProcess, capsys: pytest.CaptureFixture[str], redis_url: str, kafka_topics: str, tmp_path: Path
) -> None:
    argv = ("probe", "--item", "item-3", "--json", "--url", ranker.url)
    status, out, _ = run(capsys, *argv, "--timeout-s", "4")
    assert (status, json.loads(out)) == (1, {"seconds": None, "missing": "agent"})
    agent = AgentProcess("streams.user_refresh", kafka_topics, redis_url, tmp_path).start().wait_consuming()
    try:
        status, out, _ = run(capsys, *argv, "--timeout-s", "60")
        assert status == 0, out
        assert 0 < json.loads(out)["seconds"] < 60
    finally:
        assert agent.stop() == 0


def test_probe_names_a_broker_that_is_not_there(
    ranker: RankerProcess, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOLARIS_KAFKA_BOOTSTRAP", "127.0.0.1:1")
    argv = ("probe", "--item", "item-3", "--timeout-s", "0.5", "--json", "--url", ranker.url)
    status, out, err = run(capsys, *argv)
    assert (status, out) == (EXIT_UNREACHABLE, "")
    assert "Kafka cannot be reached at 127.0.0.1:1 (from SOLARIS_KAFKA_BOOTSTRAP)" in err
    monkeypatch.setattr("inference.commands.probe.reach", lambda settings: settings)  # it goes away meanwhile
    status, out, _ = run(capsys, *argv)
    assert (status, json.loads(out)["missing"]) == (1, "topic")


def test_a_release_is_staged_waited_for_promoted_and_rolled_back(
    ranker: RankerProcess,
    capsys: pytest.CaptureFixture[str],
    topics: Topics,
    redis_url: str,
    tmp_path: Path,
) -> None:
    sha256 = untrained_release(tmp_path / "v2", ITEMS, version="v2", seed=9)
    ends = topics.ends(Topic.MODEL_RELEASES)
    status, out, err = run(capsys, "release", "stage", str(tmp_path / "v2"))
    assert (status, err) == (0, "")
    status, out, err = run(capsys, "release", "promote")
    assert status == 1
    assert "0 of 40 items have a row" in out
    assert "items" in err
    wait_until(lambda: "ok" in _condition(run(capsys, "release", "list")[1], "rankers"), 60)

    assert run(capsys, "release", "promote", "--force")[0] == 0
    state = asyncio.run(_state(redis_url))
    assert (state.live, state.staged, state.previous) == ("v2", None, "v1")
    argv = ("rank", "--user", "7", "--items", "item-1", "--json", *PATIENTLY, "--url", ranker.url)
    wait_until(lambda: json.loads(run(capsys, *argv)[1])["version"] == "v2", 60)

    assert run(capsys, "release", "rollback")[0] == 0
    wait_until(lambda: json.loads(run(capsys, *argv)[1])["version"] == "v1", 60)
    log = [json.loads(record.value or b"") for record in topics.since(Topic.MODEL_RELEASES, ends)]
    moves = [(event["version"], event["state"]) for event in log]
    assert moves == [("v2", "staged"), ("v1", "live"), ("v2", "live"), ("v1", "live")]
    assert log[0]["sha256"] == sha256


def test_a_damaged_bundle_is_not_staged(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    untrained_release(tmp_path / "v9", ITEMS, version="v9")
    with (tmp_path / "v9" / "weights.safetensors").open("ab") as file:
        file.write(b"x")
    status, _, err = run(capsys, "release", "stage", str(tmp_path / "v9"))
    assert status == 1
    assert "weights.safetensors" in err


def _condition(out: str, name: str) -> str:
    return next((line for line in out.splitlines() if f" {name} " in line), "")


async def _state(redis_url: str) -> ReleaseState:
    store = RedisStore.connect(RedisSettings(url=redis_url), Profile.AGENT)
    try:
        return await store.read_release("main")
    finally:
        await store.close()
