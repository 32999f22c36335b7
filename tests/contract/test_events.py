"""Golden events of every topic version: what was once legal on a topic stays readable, and is written the same."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from streams.wire.codec import Rejection, decode, encode
from streams.wire.record import Record
from streams.wire.topics import DEAD_LETTER_SUFFIX, TOPICS, Topic

GOLDEN = Path(__file__).parent / "golden"
NAME = re.compile(r"^[a-z]+(\.[a-z]+(-[a-z]+)*)+\.v[1-9][0-9]*(\.dlq)?$")


def _golden() -> list[Any]:
    return [
        pytest.param(path.stem, event, id=f"{path.stem}: {event['name']}")
        for path in sorted(GOLDEN.glob("*.json"))
        for event in json.loads(path.read_text())
    ]


def _record(topic: str, event: dict[str, Any], **more: object) -> Record:
    value = json.dumps(event["value"] | more).encode()
    return Record(topic, 0, 0, event["value"]["event_time_ms"], event["key"].encode(), value)


def test_every_topic_has_golden_events() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(Topic)


@pytest.mark.parametrize(("topic", "event"), _golden())
def test_a_golden_event_is_read_and_written_unchanged(topic: str, event: dict[str, Any]) -> None:
    decoded = decode(topic, _record(topic, event))
    assert not isinstance(decoded, Rejection), decoded
    assert json.loads(encode(decoded)) == event["value"]  # type: ignore[arg-type]  # no golden tombstones


@pytest.mark.parametrize(("topic", "event"), _golden())
def test_fields_of_a_later_version_are_ignored(topic: str, event: dict[str, Any]) -> None:
    plain = decode(topic, _record(topic, event))
    assert decode(topic, _record(topic, event, added_later={"deep": [1, None, "x"]})) == plain


def test_topic_names_last() -> None:
    for name, spec in TOPICS.items():
        assert NAME.match(name), name
        assert spec.name == name
        assert spec.config["message.timestamp.type"] == "LogAppendTime"


def test_every_source_topic_has_a_dead_letter_topic() -> None:
    sources = {name for name in TOPICS if not name.endswith(DEAD_LETTER_SUFFIX)}
    assert sources == set(Topic)
    assert {name + DEAD_LETTER_SUFFIX for name in sources} == set(TOPICS) - sources
