"""Lag of real groups on a real broker."""

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator

import pytest

from runtime.settings import KafkaSettings
from streams.admin import AdminError
from streams.commands.lag import watch
from streams.lag.append_times import AppendTimes
from streams.lag.history import LagHistory
from streams.lag.reader import LagReader
from streams.lag.report import GroupLag, LagReport
from streams.lag.rules import Verdict
from streams.lag.snapshot import Place
from streams.wire.reader import Reader
from tests.integration.streams.lag.groups import commit, member, new_topic, produce
from tests.waiting import wait_until

pytestmark = pytest.mark.kafka


@pytest.fixture
def settings(kafka_topics: str) -> KafkaSettings:
    return KafkaSettings(bootstrap=kafka_topics)


@pytest.fixture
def topic(settings: KafkaSettings) -> str:
    return new_topic(settings)


@pytest.fixture
def group() -> str:
    return f"test.{uuid.uuid4().hex[:8]}"


@pytest.fixture
def times(settings: KafkaSettings) -> Iterator[AppendTimes]:
    times = AppendTimes(settings, timeout_s=60.0)
    yield times
    times.close()


def find(report: LagReport, group: str) -> GroupLag:
    return next(found for found in report.groups if found.group == group)


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_of_a_hundred_records_with_forty_committed_sixty_are_waiting(
    settings: KafkaSettings, topic: str, group: str, protocol: str
) -> None:
    produce(settings, topic, 100)
    with Reader(settings, topic) as reader:
        end0, end1 = (reader.watermarks()[partition][1] for partition in (0, 1))
    assert end0 + end1 == 100
    with member(settings, group, topic, group_protocol=protocol) as consumer:
        commit(consumer, topic, {0: 20, 1: 20})
        found = find(watch(settings, 0.0, 10.0), group)
        assert (found.lag, found.num_members) == (60, 1)
        assert {(p.partition, p.committed, p.lag) for p in found.partitions} == {(0, 20, end0 - 20), (1, 20, end1 - 20)}


def test_a_group_that_nobody_runs_is_stopped_and_its_waiting_time_grows(
    settings: KafkaSettings, topic: str, group: str
) -> None:
    before_s = time.time()
    produce(settings, topic, 100)
    with member(settings, group, topic) as consumer:
        commit(consumer, topic, {0: 20, 1: 20})
    stopped = find(watch(settings, 0.0, 10.0), group)
    assert (stopped.verdict, stopped.lag, stopped.num_members) == (Verdict.STOPPED, 60, 0)
    later = find(watch(settings, 0.6, 10.0), group)
    assert stopped.seconds is not None
    assert later.seconds is not None
    assert stopped.seconds < later.seconds < time.time() - before_s + 1.0


def test_a_member_that_stops_committing_is_stalled_and_ok_again_once_it_has_caught_up(
    settings: KafkaSettings, topic: str, group: str, times: AppendTimes
) -> None:
    produce(settings, topic, 100)
    history = LagHistory(window_s=1.0, history_s=10.0, lookup=times.lookup)
    reader = LagReader(settings)
    with member(settings, group, topic) as consumer:
        commit(consumer, topic, {0: 20, 1: 20})
        assert find(history.add(reader.read()), group).verdict == Verdict.OK
        wait_until(lambda: find(history.add(reader.read()), group).verdict == Verdict.STALLED, 60)
        with Reader(settings, topic) as log:
            commit(consumer, topic, {partition: end for partition, (_, end) in log.watermarks().items()})
        caught_up = find(history.add(reader.read()), group)
        assert (caught_up.verdict, caught_up.lag, caught_up.seconds) == (Verdict.OK, 0, 0.0)


def test_append_times_are_those_of_the_records(settings: KafkaSettings, topic: str, times: AppendTimes) -> None:
    produce(settings, topic, 60)
    produce(settings, topic, 60)
    with Reader(settings, topic) as log:
        appended = {(Place(topic, r.partition), r.offset): r.append_time_ms / 1000 for r in log.read()}
    wanted = {(Place(topic, partition), offset) for partition in (0, 1) for offset in (0, 7, 40)}
    assert times.lookup(wanted) == {item: appended[item] for item in wanted}
    assert times.lookup(wanted) == {item: appended[item] for item in wanted}


def test_our_four_agents_are_shown_even_if_they_never_ran(settings: KafkaSettings) -> None:
    groups = [found.group for found in watch(settings, 0.0, 10.0).groups[:4]]
    assert groups == [
        "solaris.user-refresh",
        "solaris.item-inference",
        "solaris.speculation",
        "solaris.pair-inference",
    ]


def test_a_broker_that_is_away_is_an_error() -> None:
    with pytest.raises(AdminError, match=r"127\.0\.0\.1:1"):
        watch(KafkaSettings(bootstrap="127.0.0.1:1"), 0.0, 1.0)


def run_lag(settings: KafkaSettings, *words: str) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"SOLARIS_KAFKA_BOOTSTRAP": settings.bootstrap}
    command = [sys.executable, "-m", "streams", "lag", "--watch-s", "0", *words]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_prints_a_table_or_json(settings: KafkaSettings, topic: str, group: str) -> None:
    produce(settings, topic, 100)
    with member(settings, group, topic) as consumer:
        commit(consumer, topic, {0: 20, 1: 20})
    plain = run_lag(settings, "--partitions")
    line = next(line for line in plain.stdout.splitlines() if line.startswith(group))
    assert line.split()[1:3] == ["stopped", "60"]
    assert f"{topic} 60" in line
    assert f"  {topic}/0 " in plain.stdout
    assert plain.returncode in (0, 1)  # whether agents of other tests left something unread
    answer = run_lag(settings, "--json")
    (found,) = [entry for entry in json.loads(answer.stdout)["groups"] if entry["group"] == group]
    assert (found["verdict"], found["lag"]) == ("stopped", 60)
