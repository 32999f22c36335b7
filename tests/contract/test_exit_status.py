"""What a command line says, and ends with, when a server that it needs is not there: the same everywhere."""

import fcntl
import importlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.addresses import LOCK_NAME, write_addresses
from runtime.settings import KafkaSettings
from runtime.unreachable import EXIT_UNREACHABLE
from streams.wire.reach import KafkaUnreachable

KAFKA, REDIS, RANKER = "127.0.0.1:1", "redis://app:hunter2@127.0.0.1:2/0", "http://127.0.0.1:3"
NEED_KAFKA = [
    "streams topics",
    "streams topics --create",
    "streams produce item --item 1 --delete",
    "streams produce --file events.ndjson --topic reco.user.activity.v1",
    "streams tail reco.user.activity.v1",
    "streams replay --movietweetings .",
    "streams lag",
    "streams lag --json",
    "inference train --from-topics --quick",
]
NEED_REDIS = [
    "streams rebuild",
    "streams rebuild --if-needed",
    "inference train --publish --if-absent",
    "inference release list",
    "inference release rollback",
    "inference rank --user 7",
    "inference probe",
    "inference probe --item 1",
]


def run(line: str) -> int:
    package, *words = line.split()
    status = importlib.import_module(f"{package}.__main__").main(words)
    assert isinstance(status, int)
    return status


@pytest.fixture(autouse=True)
def nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder of its own, with something to send."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("streams.wire.reach.SAID_S", 0.3)
    (tmp_path / "movies.dat").write_text("1::One (1999)::Drama\n")
    (tmp_path / "ratings.dat").write_text("7::1::8::1500000000\n")
    (tmp_path / "events.ndjson").write_text("{}\n")


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOLARIS_KAFKA_BOOTSTRAP", KAFKA)
    monkeypatch.setenv("SOLARIS_REDIS_URL", REDIS)


@pytest.fixture
def silent() -> Iterator[str]:
    """`host:port` of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize(
    ("line", "server", "address", "variable"),
    [(line, "Kafka", KAFKA, "SOLARIS_KAFKA_BOOTSTRAP") for line in NEED_KAFKA]
    + [(line, "Redis", "redis://***@127.0.0.1:2/0", "SOLARIS_REDIS_URL") for line in NEED_REDIS],
)
@pytest.mark.usefixtures("named")
def test_a_server_that_is_away_is_named_once_with_its_address_and_who_gave_it(
    line: str, server: str, address: str, variable: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(line) == EXIT_UNREACHABLE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count(f"{server} cannot be reached at {address} (from {variable})") == 1
    assert "Connect" in err, "the cause"
    assert "make demo" in err, "the next step"
    assert len(err.splitlines()) <= 3
    assert "hunter2" not in err


def test_without_a_setting_the_default_is_tried_and_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(settings: KafkaSettings) -> KafkaSettings:
        raise KafkaUnreachable("refused")

    monkeypatch.setattr("streams.commands.topics.reach", nobody)  # the developer's own broker may be there
    assert run("streams topics") == EXIT_UNREACHABLE
    said = "Kafka cannot be reached at 127.0.0.1:9092 (the default, SOLARIS_KAFKA_BOOTSTRAP is not set): refused"
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("streams topics", f"Kafka cannot be reached at {KAFKA} (from var/addresses.json)"),
        ("inference release list", "Redis cannot be reached at redis://***@127.0.0.1:2/0 (from var/addresses.json)"),
        ("inference rank --user 7 --items 1", f"no ranker answers at {RANKER}"),
    ],
)
def test_an_address_of_the_running_stack_is_said_to_be_one(
    line: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_addresses({"kafka": KAFKA, "redis": REDIS, "ranker": RANKER})
    with Path("var", LOCK_NAME).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert run(line) == EXIT_UNREACHABLE
    err = capsys.readouterr().err
    assert said in err
    assert "make demo" in err


@pytest.mark.parametrize(
    "line", ["streams topics", "streams rebuild", "inference release list", "inference rank --user 7"]
)
def test_a_stack_that_was_killed_is_the_same_status(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_addresses({"kafka": KAFKA, "redis": REDIS, "ranker": RANKER})
    Path("var", LOCK_NAME).touch()
    assert run(line) == EXIT_UNREACHABLE
    err = capsys.readouterr().err
    assert err.count("not running any more") == 1
    assert "make demo" in err


def test_a_server_that_says_nothing_is_given_up(
    silent: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOLARIS_KAFKA_BOOTSTRAP", silent)
    monkeypatch.setenv("SOLARIS_REDIS_URL", f"redis://{silent}/0")
    for line, server in (("streams topics", "Kafka"), ("streams rebuild", "Redis")):
        assert run(line) == EXIT_UNREACHABLE
        assert f"{server} cannot be reached at" in capsys.readouterr().err


def test_wrong_settings_stay_status_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOLARIS_KAFKA_BOOTSTRAPS", KAFKA)
    monkeypatch.setenv("SOLARIS_REDIS_URL", "http://cache")
    assert run("streams topics") == 2
    assert run("inference release list") == 2
