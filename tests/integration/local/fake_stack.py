"""A command for the guard's tests: a runner with services that have children in sessions of their own.

`python -m tests.integration.local.fake_stack (namespace|pair)` guards; with `inner` it is what is guarded.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from local.cli import run_until_signalled
from local.guard import IN_NAMESPACE, enter_namespace, guarded
from local.process import adopt_orphans, kill_descendants
from local.runner import Runner
from local.service import Service

SERVICE = """
import subprocess, sys, time
for own_session in (False, True):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=own_session)
print("2026-01-01T00:00:00Z error all three run", flush=True)
time.sleep(600)
"""
NUM_PROCESSES = 2 + 2 * 3  # guard and inner process, two services with two children each


async def _serve() -> int:
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(Path(folder), lambda text: print(text, flush=True))
        try:
            for name in ("one", "two"):
                await runner.start(Service(name, (sys.executable, "-c", SERVICE), stop_timeout_s=5))
            await asyncio.Event().wait()
        finally:
            await runner.stop()
    return 0


def main() -> int:
    """Guard, or be guarded."""
    mode = sys.argv[1]
    if mode != "inner":
        return guarded([sys.executable, "-m", __spec__.name, "inner"], namespace=mode == "namespace")
    if IN_NAMESPACE in sys.argv:
        enter_namespace()
    adopt_orphans()
    try:
        return run_until_signalled(_serve())
    finally:
        kill_descendants()


if __name__ == "__main__":
    sys.exit(main())
