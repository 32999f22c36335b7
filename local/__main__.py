"""`python -m local up|demo|lock`: the stack on this machine.

This process only guards: the command itself runs in `local.inner`, so that nothing outlives a kill -9.
"""

import sys

from local.cli import UNGUARDED, parse, run
from local.guard import guarded


def main() -> int:
    """Parse first: `--help` and mistakes need no process."""
    arguments = parse(sys.argv[1:])
    if arguments.command in UNGUARDED:
        return run(arguments)
    return guarded([sys.executable, "-m", "local.inner", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
