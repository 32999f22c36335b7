"""The runner with small services: order, readiness, restarts, stopping, nothing left."""

import asyncio
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from local.process import carries
from local.runner import Runner, StartError
from local.service import Backoff, Service
from tests.waiting import eventually

FAST = Backoff(first_s=0.05, factor=2.0, longest_s=0.2, steady_s=60.0)

# Notes its start, serves until SIGTERM, notes its end.
STEADY = """
import signal, sys, time
def note(what):
    with open({journal!r}, "a") as journal: journal.write(what + " {name}\\n")
def stop(*_):
    note("stopped"); sys.exit(0)
signal.signal(signal.SIGTERM, stop)
{before_ready}
note("started")
while True: time.sleep(60)
"""


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
async def runner(tmp_path: Path, said: list[str]) -> AsyncIterator[Runner]:
    runner = Runner(tmp_path / "log", said.append, FAST)
    yield runner
    await runner.stop()


class Services:
    """Makes services that write into one journal."""

    def __init__(self, folder: Path) -> None:
        self.journal = folder / "journal"
        self.journal.touch()
        self.mark = f"TEST_MARK={uuid.uuid4().hex}"

    def steady(self, name: str, before_ready: str = "") -> Service:
        code = STEADY.format(journal=str(self.journal), name=name, before_ready=before_ready)
        return self.python(name, code, is_ready=lambda: f"started {name}" in self.lines())

    def python(self, name: str, code: str, **options: object) -> Service:
        key, value = self.mark.split("=")
        return Service(name, (sys.executable, "-c", code), {key: value}, **options)  # type: ignore[arg-type]

    def lines(self) -> list[str]:
        return self.journal.read_text().splitlines()

    def alive(self) -> list[int]:
        return [int(path.name) for path in Path("/proc").glob("[0-9]*") if carries(int(path.name), self.mark)]


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return Services(tmp_path)


async def test_a_service_starts_only_when_the_one_before_is_ready(runner: Runner, services: Services) -> None:
    await runner.start(services.steady("slow", before_ready="time.sleep(0.3)"))
    assert services.lines() == ["started slow"]
    await runner.start(services.steady("next"))
    assert services.lines() == ["started slow", "started next"]


async def test_everything_stops_in_reverse_order(runner: Runner, services: Services) -> None:
    for name in ("first", "second", "third"):
        await runner.start(services.steady(name))
    await runner.stop()
    assert services.lines()[3:] == ["stopped third", "stopped second", "stopped first"]
    assert services.alive() == []


async def test_services_of_one_call_start_together(runner: Runner, services: Services) -> None:
    slow = services.steady(
        "slow", before_ready=f"while 'started quick' not in open({str(services.journal)!r}).read(): time.sleep(0.02)"
    )
    await runner.start(slow, services.steady("quick"))
    assert services.lines() == ["started quick", "started slow"]


async def test_a_service_that_dies_is_started_again_and_ready_again(
    runner: Runner, services: Services, said: list[str]
) -> None:
    await runner.start(services.steady("agent"))
    first = runner.pid("agent")
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await eventually(lambda: runner.restarts("agent") == 1, 60)
    await runner.wait_ready("agent", 60)
    assert runner.pid("agent") not in (first, None)
    assert any("ended with status -9" in line and "again in 0.1 s" in line for line in said)


async def test_waits_between_restarts_grow(runner: Runner, services: Services, said: list[str]) -> None:
    await runner.start(services.python("broken", "raise SystemExit(3)"))
    await eventually(lambda: runner.restarts("broken") >= 4, 60)
    waits = [line.split("again in ")[1].split(" s")[0] for line in said if "again in" in line]
    assert waits[:4] == ["0.1", "0.1", "0.2", "0.2"]  # 0.05, 0.1, 0.2, 0.2 with one digit


async def test_a_service_that_never_gets_ready_ends_the_start_with_its_last_lines(
    runner: Runner, services: Services
) -> None:
    broken = services.python("broken", "print('the port is taken'); raise SystemExit(3)", is_ready=lambda: False)
    with pytest.raises(StartError, match=r"(?s)broken ended with status 3.*the port is taken"):
        await runner.start(broken)


async def test_a_service_that_is_not_ready_in_time_is_named(runner: Runner, services: Services) -> None:
    options = {"is_ready": lambda: False, "why_not": lambda: "no release yet", "ready_timeout_s": 0.3}
    asleep = services.python("asleep", "import time; time.sleep(60)", **options)
    with pytest.raises(StartError, match=r"asleep was not ready after 0\.3 s: no release yet"):
        await runner.start(asleep)
    await runner.stop()
    assert services.alive() == []


async def test_a_one_shot_is_waited_for_and_not_started_again(runner: Runner, services: Services) -> None:
    code = f"import time; time.sleep(0.2); open({str(services.journal)!r}, 'a').write('done\\n')"
    await runner.start(services.python("topics", code, one_shot=True))
    assert services.lines() == ["done"]
    assert runner.pid("topics") is None
    assert runner.restarts("topics") == 0


async def test_a_one_shot_that_fails_ends_the_start(runner: Runner, services: Services) -> None:
    with pytest.raises(StartError, match=r"(?s)topics ended with status 1.*no broker"):
        await runner.start(services.python("topics", "raise SystemExit('no broker')", one_shot=True))


async def test_prepare_runs_before_every_start(runner: Runner, services: Services) -> None:
    calls: list[int] = []
    await runner.start(services.python("broken", "raise SystemExit(1)", prepare=lambda: calls.append(1)))
    await eventually(lambda: len(calls) >= 3, 60)
    assert runner.restarts("broken") >= 2


async def test_a_service_that_ignores_the_signal_is_killed_after_its_time(
    runner: Runner, services: Services, said: list[str]
) -> None:
    code = f"""
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open({str(services.journal)!r}, "a").write("deaf\\n")
time.sleep(60)
"""
    await runner.start(services.python("deaf", code, is_ready=lambda: "deaf" in services.lines(), stop_timeout_s=0.3))
    await runner.stop()
    assert services.alive() == []
    assert "deaf: did not stop in 0.3 s, killed" in said


async def test_orphans_in_sessions_of_their_own_are_killed_though_they_hold_the_output(
    runner: Runner, services: Services
) -> None:
    # The child outlives its parent, which crashes: neither the pipe's end nor the process group gives it away.
    code = f"""
import subprocess, sys
sleep = "import time; print('orphan', flush=True); time.sleep(60)"
subprocess.Popen([sys.executable, "-c", sleep], start_new_session=True)
open({str(services.journal)!r}, "a").write("parent\\n")
raise SystemExit(1)
"""
    await runner.start(services.python("parent", code))
    await eventually(lambda: "parent" in services.lines() and services.alive())
    await runner.stop()
    assert services.alive() == []


async def test_stopping_while_a_start_is_under_way_leaves_nothing(runner: Runner, services: Services) -> None:
    starting = asyncio.create_task(
        runner.start(services.python("asleep", "import time; time.sleep(60)", is_ready=lambda: False))
    )
    await eventually(services.alive)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await runner.stop()
    assert services.alive() == []
