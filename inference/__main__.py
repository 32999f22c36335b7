"""`python -m inference <command>`: train, release, serve, ask."""

import sys
from collections.abc import Sequence

from runtime.command_line import run_command

COMMANDS = {
    "train": "train a release on generated logs, on a folder of ratings or on the topics",
    "release": "list, stage, promote and roll back releases",
    "precision": "find which linears of a release may run in FP8",
    "serve": "rank over HTTP: the ranker process",
    "rank": "ask the ranker for a slate",
    "probe": "how long until an answer includes a click; names the missing hop when it never does",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, run, return the exit status."""
    return run_command("inference", "Models, releases and the ranker.", COMMANDS, argv)


if __name__ == "__main__":
    sys.exit(main())
