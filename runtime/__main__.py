"""`python -m runtime address NAME`: print where a service of the running local stack listens."""

import argparse
import sys

from runtime.addresses import ADDRESSES_FILE, read_addresses


def main() -> int:
    """Print the address; exit status 1, with the names that exist, when there is none."""
    parser = argparse.ArgumentParser(prog="python -m runtime", description="Facts of the running local stack.")
    commands = parser.add_subparsers(dest="command", required=True)
    address = commands.add_parser("address", help="print where a service listens")
    address.add_argument("name", help="kafka, redis, ranker, lag or an agent")
    arguments = parser.parse_args()
    try:
        addresses = read_addresses()
    except ValueError as error:  # also of a stack that is gone
        print(error, file=sys.stderr)
        return 1
    if arguments.name in addresses:
        print(addresses[arguments.name])
        return 0
    known = ", ".join(sorted(addresses)) or "none; is the demo running?"
    print(f"{ADDRESSES_FILE} has no address of {arguments.name!r}; it has: {known}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
