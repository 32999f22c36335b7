"""`python -m streams <command>`: topics, events and lag from the command line."""

import sys
from collections.abc import Sequence

from runtime.command_line import run_command

COMMANDS = {
    "topics": "create the topics, or check that they are there and right",
    "produce": "send events, from flags or from a file of JSON lines",
    "tail": "print the records of a topic",
    "replay": "send a MovieTweetings folder as item updates and ratings",
    "rebuild": "fill the store from the topics",
    "lag": "show how far each consumer group is behind, once or as a page",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, run, return the exit status."""
    try:
        return run_command("streams", "Topics, events and lag of Solaris.", COMMANDS, argv)
    except BrokenPipeError:  # `tail ... | head` has read enough
        sys.stderr.close()
        return 0


if __name__ == "__main__":
    sys.exit(main())
