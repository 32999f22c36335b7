"""Importing an agent does nothing: no settings are read, nothing is connected, no event loop is made."""

import subprocess
import sys
from pathlib import Path

import pytest

MODULES = ["streams.user_refresh", "streams.item_inference", "streams.speculation", "streams.pair_inference"]
ROOT = Path(__file__).parents[3]

# A bad setting would be named if it were read; sockets and event loops are refused outright.
IMPORT = """
import asyncio, importlib, socket, sys, threading
def refuse(*args, **kwargs):
    raise AssertionError("not at import time")
socket.socket.connect = asyncio.new_event_loop = asyncio.set_event_loop_policy = refuse
threads = threading.active_count()
module = importlib.import_module(sys.argv[1])
assert threading.active_count() == threads, threading.enumerate()
print(module.app.spec.group)
"""


@pytest.mark.parametrize("module", MODULES)
def test_importing_an_agent_does_nothing(module: str) -> None:
    env = {"SOLARIS_AGENT_PORT": "not a port", "SOLARIS_KAFKA_BOOTSTRAP": "nowhere:1", "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", IMPORT, module], env=env, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"solaris.{module.removeprefix('streams.').replace('_', '-')}"


def test_a_bad_setting_stops_the_worker_and_is_named() -> None:
    env = {"SOLARIS_AGENT_PORT": "http", "PATH": ""}
    command = [sys.executable, "-m", "faust", "-A", MODULES[0], "worker"]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "SOLARIS_AGENT_PORT='http' is not a whole number" in done.stderr
