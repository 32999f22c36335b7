"""The process that the guard starts: runs one command of `local.cli` and leaves nothing behind. Not for people."""

import os
import sys

from local.cli import parse, run
from local.guard import IN_NAMESPACE, enter_namespace
from local.process import adopt_orphans, kill_descendants


def main() -> int:
    """Isolate, run, kill what is left."""
    words = [word for word in sys.argv[1:] if word != IN_NAMESPACE]
    if len(words) < len(sys.argv) - 1:
        enter_namespace()
    adopt_orphans()
    try:
        return run(parse(words))
    finally:
        kill_descendants()


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # a thread that still fetches a jar must not hold up the end
