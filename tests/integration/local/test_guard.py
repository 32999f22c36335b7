"""Nothing outlives the stack, however it ends. Services here have children that left their process group."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.guard import namespace_possible
from tests.integration.local.fake_stack import NUM_PROCESSES
from tests.integration.local.marked import Marked, marked
from tests.waiting import wait_until

END_S = 90.0  # the guard itself kills after 60, and then the status tells


@pytest.fixture(params=["namespace", "pair"])
def guarded_stack(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Marked]:
    if request.param == "namespace" and not namespace_possible():
        pytest.skip("this machine lets nobody make a PID namespace")
    with marked(["-m", "tests.integration.local.fake_stack", request.param], tmp_path / "log") as command:
        wait_until(lambda: len(command.alive()) == NUM_PROCESSES, END_S)
        yield command


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_everything_in_order_with_status_0(guarded_stack: Marked, number: signal.Signals) -> None:
    guarded_stack.process.send_signal(number)
    assert guarded_stack.process.wait(END_S) == 0
    assert guarded_stack.alive() == []


def test_a_kill_of_the_guard_leaves_nothing(guarded_stack: Marked) -> None:
    guarded_stack.process.kill()
    wait_until(lambda: not guarded_stack.alive(), END_S)


def test_a_kill_of_the_inner_process_leaves_nothing_and_shows_in_the_status(guarded_stack: Marked) -> None:
    os.kill(guarded_stack.inner(), signal.SIGKILL)
    assert guarded_stack.process.wait(END_S) == 128 + signal.SIGKILL
    assert guarded_stack.alive() == []


def test_a_kill_of_both_at_once_leaves_nothing_in_a_namespace(tmp_path: Path) -> None:
    if not namespace_possible():
        pytest.skip("this machine lets nobody make a PID namespace")
    with marked(["-m", "tests.integration.local.fake_stack", "namespace"], tmp_path / "log") as command:
        wait_until(lambda: len(command.alive()) == NUM_PROCESSES, END_S)
        for pid in (command.inner(), command.process.pid):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not command.alive(), END_S)
