"""Real data, the MovieTweetings ratings, and a generated folder of the same shape that is odd in every way.

The real folder is `../shared/data/movietweetings-100k` beside the repository, or SOLARIS_TEST_MOVIETWEETINGS.
"""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from cache.redis_store import Profile, RedisStore
from inference.__main__ import main as inference
from inference.evaluation.ratio import UNDEFINED
from inference.serving.app import RankerApp
from inference.serving.reporter import MemorySink
from inference.serving.settings import RankerSettings
from inference.training.movietweetings_release import PLAN, train_movietweetings
from local.kafka import running_kafka
from local.valkey import running_valkey
from runtime import clock
from runtime.settings import KafkaSettings, RedisSettings
from streams.__main__ import main as streams
from streams.wire.codec import decode
from streams.wire.events import Activity, Retrieval
from streams.wire.movietweetings import BadLines, Rating, read_movies, read_ratings
from streams.wire.producer import Producer
from streams.wire.reader import FromBeginning, Reader
from streams.wire.topics import Topic
from tests.processes import ROOT

# Read at import: the tests themselves run without SOLARIS_* variables.
REAL = Path(
    os.environ.get("SOLARIS_TEST_MOVIETWEETINGS") or ROOT.parent / "shared" / "data" / "movietweetings-100k"
).absolute()
needs_data = pytest.mark.skipif(
    not all((REAL / name).is_file() for name in ("ratings.dat", "movies.dat")),
    reason=f"no ratings.dat and movies.dat in {REAL}; SOLARIS_TEST_MOVIETWEETINGS names another folder",
)
pytestmark = pytest.mark.timeout(900)  # they train
REPLAYED = 3_000
ODD_RATINGS = 1_200
DECADE_S = 3_650 * 86_400


@needs_data
@pytest.mark.slow
def test_the_ranker_beats_popularity_and_logistic_regression_on_what_people_rated_next(tmp_path: Path) -> None:
    plan = replace(PLAN, batch_requests=256, history_length=32, foundation_epochs=1, ranker_epochs=1, num_blocks=2)
    report = train_movietweetings(tmp_path, REAL, first=30_000, plan=plan).metrics
    gains = report["gains"]
    assert gains["ranker over popularity"]["low"] > 0, gains
    assert gains["ranker over logistic"]["low"] > 0, gains
    assert report["users"] > 500
    # Which one is next says nothing of how much it is liked: the report must not find a share of nothing.
    assert report["liked"]["transfer_ratio"] == UNDEFINED


@pytest.fixture(scope="module")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker of its own: a rebuild reads all that is on the topics."""
    with running_kafka(tmp_path_factory.mktemp("kafka")) as server:
        yield server.bootstrap


@pytest.fixture
def stack(bootstrap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str]]:
    """Bootstrap and URL of that broker with its topics and of an empty Valkey, as every command here finds them."""
    with running_valkey(tmp_path / "valkey") as valkey:
        monkeypatch.setenv("SOLARIS_KAFKA_BOOTSTRAP", bootstrap)
        monkeypatch.setenv("SOLARIS_REDIS_URL", valkey.url)
        assert streams(["topics", "--create", "--json"]) == 0
        yield bootstrap, valkey.url


@needs_data
@pytest.mark.kafka
@pytest.mark.redis
@pytest.mark.slow
def test_replayed_ratings_are_in_the_answer_after_a_rebuild(
    stack: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ratings = read_ratings(REAL, BadLines())[:REPLAYED]
    replayed, rebuilt, answer, events = told(stack, REAL, REPLAYED, ratings, tmp_path, capsys)
    assert (replayed["ratings"], replayed["bad_lines"]) == (REPLAYED, 0)
    assert (rebuilt["failed"], rebuilt["rejected"]) == (0, 0)
    assert_fresh(answer, events, ratings, {movie.item_id for movie in read_movies(REAL, BadLines())})


@pytest.mark.kafka
@pytest.mark.redis
@pytest.mark.slow
def test_string_ids_five_stars_unknown_genres_and_decades_work_the_same(
    stack: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = odd_folder(tmp_path / "odd")
    bad = BadLines()
    ratings = read_ratings(folder, bad)
    assert (len(ratings), bad.num_lines) == (ODD_RATINGS, 1)
    replayed, rebuilt, answer, events = told(stack, folder, ODD_RATINGS, ratings, tmp_path, capsys)
    assert (replayed["ratings"], replayed["bad_lines"]) == (ODD_RATINGS, 1)
    assert rebuilt["failed"] == 0
    assert_fresh(answer, events, ratings, {movie.item_id for movie in read_movies(folder, BadLines())})


def told(
    stack: tuple[str, str],
    folder: Path,
    first: int,
    ratings: Sequence[Rating],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], list[Activity]]:
    """Replay, train, publish, rebuild, rank: what replay and rebuild say, the answer for `busiest(ratings)`, and that
    user's events on the topic."""
    bootstrap, url = stack
    user = busiest(ratings)
    words = ["--movietweetings", str(folder)]
    assert streams(["replay", *words, "--as-fast-as-possible", "--first", str(first), "--json"]) == 0
    replayed = last_json(capsys)
    activate(bootstrap, user)
    out = str(tmp_path / "releases")
    assert inference(["train", *words, "--quick", "--publish", "--out", out, "--json"]) == 0
    version = last_json(capsys)["version"]
    assert streams(["rebuild", "--json"]) == 0
    rebuilt = last_json(capsys)
    assert rebuilt["releases"] == [f"main:{version}"]
    assert rebuilt["user_rows"] >= 1
    answer = asyncio.run(rank(url, user, list(dict.fromkeys(rating.item_id for rating in ratings))[:100]))
    assert answer["version"] == version
    return replayed, rebuilt, answer, activity_of(bootstrap, user)


def assert_fresh(
    answer: dict[str, Any], events: Sequence[Activity], ratings: Sequence[Rating], movies: Set[str]
) -> None:
    """The answer includes the user's newest rating, and the model scored every movie with features by its row."""
    own = [rating.time_ms for rating in ratings if rating.user_id == busiest(ratings)]
    assert [event.source_time_ms for event in events] == own
    assert answer["user"]["source"] in ("direct", "computed")
    assert answer["user"]["as_of_ms"] == events[-1].event_time_ms
    for item in answer["items"]:
        assert item["item_source"] == ("row" if item["item_id"] in movies else "default"), item
    assert len({item["p_click"] for item in answer["items"]}) > 1


def busiest(ratings: Sequence[Rating]) -> str:
    return Counter(rating.user_id for rating in ratings).most_common(1)[0][0]


def last_json(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    printed: dict[str, Any] = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    return printed


def activate(bootstrap: str, user: str) -> None:
    """Retrieval has run for the user: a rebuild then writes their row."""
    now_ms = clock.now_ms()
    producer = Producer(KafkaSettings(bootstrap=bootstrap), source="test")
    event = Retrieval(
        event_id=f"r-{now_ms}", event_time_ms=now_ms, type="started", request_id=f"r-{now_ms}", user_id=user
    )
    producer.send(Topic.RETRIEVAL_EVENTS, user, event)
    producer.close()


def activity_of(bootstrap: str, user: str) -> list[Activity]:
    """The user's events in the order of the topic, which is that of their times."""
    with Reader(KafkaSettings(bootstrap=bootstrap), Topic.USER_ACTIVITY) as reader:
        events = [decode(Topic.USER_ACTIVITY, record) for record in reader.read(FromBeginning())]
    return [event for event in events if isinstance(event, Activity) and event.user_id == user]


async def rank(url: str, user: str, items: Sequence[str]) -> dict[str, Any]:
    """The answer of a ranker in this process, all items asked for."""
    store = RedisStore.connect(RedisSettings(url=url, request_timeout_ms=10_000), Profile.REQUEST)
    app = RankerApp(store, MemorySink(), "main", RankerSettings())
    tasks = await app.start()
    try:
        body = {"request_id": "r", "user_id": user, "k": len(items), "deadline_ms": 20_000}
        body["candidates"] = [{"item_id": item} for item in items]
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app.asgi()), base_url="http://ranker") as client:
            response = await client.post("/v1/rank", content=orjson.dumps(body))
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer
    finally:
        await app.stop(tasks)
        await store.close()


def odd_folder(folder: Path) -> Path:
    """String ids, one to five stars, genres of any name, half a century, a movie that is only rated, a broken line."""
    folder.mkdir()
    movies = [f"tt-é{n}::Film :: {n} ({1900 + n})::{('Krimi', 'no-such-genre', '')[n % 3]}|?{n % 7}" for n in range(60)]
    ratings = [
        f"användare {n * n % 41}::tt-é{n * 7 % 61}::{1 + n % 5}::{n * 5 * DECADE_S // ODD_RATINGS}"
        for n in range(ODD_RATINGS)
    ]
    ratings.insert(5, "this line::is broken")
    (folder / "movies.dat").write_text("\n".join(movies), encoding="utf-8")
    (folder / "ratings.dat").write_text("\n".join(ratings), encoding="utf-8")
    return folder
