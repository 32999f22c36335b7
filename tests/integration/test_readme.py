"""The README as a stranger runs it: a copy of the tree, `make demo ONCE=1`, every command beside a running demo."""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.test_repository import ROOT, tracked
from tests.integration.local.marked import Marked
from tests.waiting import wait_until

BLOCK = re.compile(r"^```(bash|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Commands that are shown and not run here, with what holds them instead.
ELSEWHERE = {
    "make demo": "the fixture runs it",
    "make demo ONCE=1": "the first test runs it",
    "make install": "this test runs in what it made",
    "make check test": "it runs this test",
    "make tools": "CI runs it before this test",
    "make bench": "tests/unit/benchmarks; it measures for minutes",
    "docker compose up": "tests/contract/test_compose.py; there may be no container engine",
    "docker compose --profile monitoring up": "tests/contract/test_compose.py",
    "docker compose --profile gpu up --scale ranker=0 --scale pair-inference=0": "tests/contract/test_compose.py",
}
DEMO_S = 600.0  # the first run trains; two shared cores
COMMAND_S = 120.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


def blocks(kind: str, page: str = "README.md") -> list[str]:
    """The fenced blocks of one kind."""
    return [text for found, text in BLOCK.findall((ROOT / page).read_text()) if found == kind]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree as git would clone it, with the environment and the downloads of this one."""
    folder = tmp_path_factory.mktemp("clone")
    for path in tracked():
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    (folder / "var").mkdir()
    (ROOT / "var" / "cache").mkdir(parents=True, exist_ok=True)
    (folder / "var" / "cache").symlink_to(ROOT / "var" / "cache")
    return folder


def demo(clone: Path, log: Path, once: bool) -> Marked:
    """`make demo` in the clone, as the Makefile has it."""
    once_flag = "ONCE=1" if once else "ONCE="
    # A session of its own, so that Ctrl-C can reach the whole group, as a terminal sends it.
    script = f"import os; os.setsid(); os.chdir({str(clone)!r}); os.execvp('make', ['make', 'demo', {once_flag!r}])"
    words = ["-c", script]
    return Marked(words, log)


@pytest.fixture(scope="module")
def told(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What `make demo ONCE=1` prints on a fresh clone; it has ended with 0 and has left nothing behind."""
    run = demo(clone, tmp_path_factory.mktemp("log") / "once.log", once=True)
    try:
        assert run.process.wait(DEMO_S) == 0, run.output()[-5000:]
        assert run.alive() == []
    finally:
        run.kill()
    return run.output()


@pytest.fixture(scope="module")
def running(clone: Path, told: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Marked]:
    """A second demo that stays up, until Ctrl-C."""
    run = demo(clone, tmp_path_factory.mktemp("log") / "up.log", once=False)
    try:
        wait_until(lambda: "Ctrl-C stops everything" in run.output() or run.process.poll() is not None, DEMO_S)
        assert run.process.poll() is None, run.output()[-5000:]
        yield run
        os.killpg(run.process.pid, signal.SIGINT)
        # make ends by the signal itself once its recipe has ended, or says 2 or 130 of it.
        assert run.process.wait(60) in (-signal.SIGINT, 0, 2, 130), run.output()[-3000:]
        wait_until(lambda: run.alive() == [], 30)
    finally:
        run.kill()


def test_the_demo_shows_every_thing_it_promises(told: str) -> None:
    for heading in (
        "user 7, ranked",
        "mean place of",
        "event to servable",
        "coverage by tier",
        "lag by consumer group",
        "quality of release",
        "lag page:",
    ):
        assert heading in told
    for source in ("pair", "aggregate", "neighbour", "default"):
        assert source in told


def test_items_of_the_clicked_kind_rise_and_the_control_stays(told: str) -> None:
    places = {
        role: (float(before), float(after))
        for role, before, after in re.findall(r"\((clicked|control)\): ([\d.]+) -> ([\d.]+)", told)
    }
    clicked, control = places["clicked"], places["control"]
    assert clicked[1] < clicked[0]
    assert clicked[0] - clicked[1] > abs(control[0] - control[1])


@pytest.mark.parametrize("script", blocks("bash"), ids=lambda text: text.strip().splitlines()[0][:40])
def test_the_commands_of_the_readme_work_beside_a_running_demo(script: str, clone: Path, running: Marked) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f". .venv/bin/activate\n{script}"],
        cwd=clone,
        capture_output=True,
        text=True,
        timeout=COMMAND_S * 2,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert done.stdout.strip()


def test_the_addresses_of_the_demo_are_where_the_readme_says(clone: Path, running: Marked) -> None:
    addresses = json.loads((clone / "var" / "addresses.json").read_text())
    assert {"kafka", "redis", "ranker", "lag"} <= set(addresses)


def test_every_other_command_of_the_readme_is_held_by_something() -> None:
    shown = [
        line.split("#")[0].strip()
        for page in ("README.md", "CONTRIBUTING.md")
        for text in blocks("console", page)
        for line in text.splitlines()
        if line.split("#")[0].strip()
    ]
    assert set(shown) <= set(ELSEWHERE), sorted(set(shown) - set(ELSEWHERE))
