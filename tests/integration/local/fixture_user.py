"""A process that uses a server as the fixtures do, and is killed by the test."""

import sys
import time
from pathlib import Path

from local.valkey import running_valkey

with running_valkey(Path(sys.argv[1])) as server:
    print(f"ready {server.url}", flush=True)
    time.sleep(600)
