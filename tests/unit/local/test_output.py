"""The log of a service and what of it reaches the screen."""

import os
import re
from functools import partial
from pathlib import Path

import pytest

from local import output
from local.output import SHOWN_IN_WINDOW, ServiceLog
from tests.waiting import eventually

ERRORS = re.compile("^error")


async def test_every_line_is_logged_and_only_errors_are_shown(tmp_path: Path) -> None:
    shown: list[str] = []
    log = ServiceLog("agent", tmp_path / "agent.log", ERRORS, shown.append)
    os.write(log.write_end, b"one\nerror two\nthr")
    await eventually(lambda: log.path.read_text() == "one\nerror two\n")
    os.write(log.write_end, b"ee\nno newline at the end")
    log.close()
    assert log.path.read_text() == "one\nerror two\nthree\nno newline at the end\n"
    assert shown == ["agent | error two"]


async def test_a_flood_of_errors_is_cut_on_the_screen_and_whole_in_the_log(tmp_path: Path) -> None:
    shown: list[str] = []
    log = ServiceLog("agent", tmp_path / "agent.log", ERRORS, shown.append)
    os.write(log.write_end, b"".join(b"error %d\n" % number for number in range(200)))
    log.close()
    assert len(shown) == SHOWN_IN_WINDOW
    assert len(log.path.read_text().splitlines()) == 200


async def test_the_log_of_the_run_before_is_kept_beside_the_new_one(tmp_path: Path) -> None:
    (tmp_path / "agent.log").write_text("yesterday\n")
    log = ServiceLog("agent", tmp_path / "agent.log", ERRORS, print)
    log.close()
    assert (tmp_path / "agent.log.1").read_text() == "yesterday\n"
    assert (tmp_path / "agent.log").read_text() == ""


async def test_a_log_does_not_grow_without_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "MAX_LOG_BYTES", 1000)
    log = ServiceLog("agent", tmp_path / "agent.log", ERRORS, print)
    for burst in range(10):
        os.write(log.write_end, b"".join(b"%090d\n" % number for number in range(burst, burst + 10)))
        last = f"{burst + 9:090d}"
        await eventually(partial(_holds, tmp_path, last))
    log.close()
    assert len(_both(tmp_path)) <= 2 * (1000 + 1000)


def _holds(folder: Path, text: str) -> bool:
    return text in _both(folder)


def _both(folder: Path) -> str:
    return "".join(path.read_text() for path in folder.iterdir())
