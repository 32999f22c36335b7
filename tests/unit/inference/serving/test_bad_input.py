"""What a caller may get wrong: each gets its status and the name of the field, and never a 500."""

import json
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference.serving.decode import MAX_BODY_BYTES
from tests.unit.inference.serving.world import LONG_DEADLINE_MS, World

GOOD: dict[str, Any] = {
    "request_id": "r1",
    "user_id": "user-1",
    "k": 3,
    "deadline_ms": LONG_DEADLINE_MS,
    "candidates": [{"item_id": "item-1", "retrieval_score": 0.5, "bid": 1.5}, {"item_id": "item-2"}],
}
WRONG_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"request_id": None}, "request_id"),
    ({"request_id": ""}, "request_id"),
    ({"request_id": "x" * 4096}, "request_id"),
    ({"user_id": 7}, "user_id"),
    ({"user_id": ""}, "user_id"),
    ({"user_id": "é" * 200}, "user_id"),  # 200 characters, 400 bytes
    ({"k": 0}, "k"),
    ({"k": -1}, "k"),
    ({"k": 1.5}, "k"),
    ({"k": "10"}, "k"),
    ({"k": 10**30}, "k"),
    ({"deadline_ms": 0}, "deadline_ms"),
    ({"deadline_ms": 10**9}, "deadline_ms"),
    ({"candidates": []}, "candidates"),
    ({"candidates": None}, "candidates"),
    ({"candidates": {"item_id": "a"}}, "candidates"),
    ({"candidates": [{}]}, "candidates[0].item_id"),
    ({"candidates": [{"item_id": "a"}, {"item_id": 5}]}, "candidates[1].item_id"),
    ({"candidates": [{"item_id": "a"}, {"item_id": ""}]}, "candidates[1].item_id"),
    ({"candidates": [{"item_id": "é" * 200}]}, "candidates[0].item_id"),
    ({"candidates": [{"item_id": "a"}, {"item_id": "b"}, {"item_id": "a"}]}, "candidates[2].item_id"),
    ({"candidates": [{"item_id": "a", "bid": -1}]}, "candidates[0].bid"),
    ({"candidates": [{"item_id": "a", "bid": 1e300}]}, "candidates[0].bid"),
    ({"candidates": [{"item_id": "a", "retrieval_score": "high"}]}, "candidates[0].retrieval_score"),
    ({"candidates": [{"item_id": "a", "colour": "red"}]}, "candidates[0].colour"),
    ({"deadlinems": 100}, "deadlinems"),
    ({"surface": 3}, "surface"),
    ({"context": {"a": [1]}}, "context[...]"),
    ({"context": {str(i): i for i in range(100)}}, "context"),
    ({"model": "Main!"}, "model"),
    ({"model": "other"}, "model"),
    ({"explain": "yes"}, "explain"),
    ({"context": {"a": json.loads("[" * 500 + "]" * 500)}}, "context[...]"),
]
NOT_JSON = [
    b"", b"{", b"null", b"[]", b"42", b"\xff\xfe", b"{'k': 1}", b"NaN", b"[" * 100_000, b"\x00" * 100,
    b'{"request_id":"\xff"}', b'{"request_id":"\\ud800"}',
]  # fmt: skip


async def post(world: World, content: bytes) -> httpx.Response:
    return await world.client.post("/v1/rank", content=content)


def error_of(response: httpx.Response) -> dict[str, Any]:
    error: dict[str, Any] = response.json()["error"]
    assert set(error) == {"type", "message", "param"}
    return error


@pytest.mark.parametrize(("change", "param"), WRONG_FIELDS)
async def test_a_wrong_field_is_a_400_that_names_it(world: World, change: dict[str, Any], param: str) -> None:
    response = await post(world, json.dumps(GOOD | change).encode())
    assert response.status_code == 400, response.text
    error = error_of(response)
    assert error["type"] == "invalid_request"
    assert error["param"] == param
    assert error["message"]


@pytest.mark.parametrize("name", ["request_id", "user_id", "candidates", "k"])
async def test_a_missing_field_is_a_400_that_names_it(world: World, name: str) -> None:
    response = await post(world, orjson.dumps({key: value for key, value in GOOD.items() if key != name}))
    assert (response.status_code, error_of(response)["param"]) == (400, name)


@pytest.mark.parametrize("body", NOT_JSON, ids=lambda body: repr(body[:12]))
async def test_what_is_not_a_json_object_is_a_400(world: World, body: bytes) -> None:
    response = await post(world, body)
    assert (response.status_code, error_of(response)["param"]) == (400, None)


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e400"])
async def test_numbers_that_are_none_are_refused(world: World, number: bytes) -> None:
    body = orjson.dumps(GOOD).replace(b"0.5", number)
    assert (await post(world, body)).status_code == 400


async def test_more_candidates_than_are_ranked_at_once_is_a_413_that_names_them(world: World) -> None:
    response = await world.rank(candidates=[{"item_id": f"i{k}"} for k in range(100_000)])
    assert (response.status_code, error_of(response)["param"]) == (413, "candidates")


async def test_the_most_candidates_with_the_longest_ids_are_ranked(world: World) -> None:
    offered = [{"item_id": f"{k:0256d}"} for k in range(10_000)]
    assert len((await world.answer(candidates=offered, k=10_000))["items"]) == 10_000


async def test_a_body_of_ten_megabytes_is_a_413_whether_it_is_announced_or_not(world: World) -> None:
    async def chunks() -> Any:
        for _ in range(160):
            yield b" " * 65_536

    for content in (b" " * 10_000_000, chunks()):
        response = await world.client.post("/v1/rank", content=content)
        assert response.status_code == 413
        assert str(MAX_BODY_BYTES) in error_of(response)["message"]


async def test_unknown_paths_and_methods_get_errors_of_the_same_shape(world: World) -> None:
    assert error_of(await world.client.get("/v1/nothing"))["type"] == "not_found"
    response = await world.client.get("/v1/rank")
    assert (response.status_code, error_of(response)["type"]) == (405, "method_not_allowed")


async def test_prepare_is_as_strict(world: World) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [({"user_id": ""}, "user_id"), ({"x": 1}, "x"), ({"model": "o"}, "model")]
    for change, param in wrong:
        response = await world.client.post("/v1/prepare", json={"request_id": "r", "user_id": "u", **change})
        assert (response.status_code, error_of(response)["param"]) == (400, param)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
bodies: st.SearchStrategy[Any] = st.one_of(
    st.binary(max_size=200),
    st.builds(
        lambda change: {**GOOD, **change}, st.dictionaries(st.sampled_from([*GOOD, "context", "x"]), json_values)
    ),
    st.builds(
        lambda offered: {**GOOD, "candidates": offered}, st.lists(st.builds(lambda v: {"item_id": v}, json_values))
    ),
)


@given(body=bodies)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_body_ever_gives_a_500(world: World, body: Any) -> None:
    content = body if isinstance(body, bytes) else _dumped(body)
    response = await post(world, content)
    assert response.status_code in (200, 400, 413, 429, 503, 504), response.text
    if response.status_code != 200:
        error_of(response)


def _dumped(body: Any) -> bytes:
    return json.dumps(body).encode("utf-8", "surrogatepass")


async def test_an_id_that_is_too_long_is_told_its_length_and_a_wrong_path_what_there_is(world: World) -> None:
    error = error_of(await post(world, orjson.dumps(GOOD | {"user_id": "x" * 4096})))
    assert error["message"] == "user_id has 4096 bytes; at most 256 are allowed"
    response = await world.client.get("/v1/nothing")
    assert (response.status_code, error_of(response)["type"]) == (404, "not_found")
    assert "POST /v1/rank, POST /v1/prepare, GET /livez" in error_of(response)["message"]
