"""Where the running local stack listens: `var/addresses.json`, written by the runner, read by every command."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

ADDRESSES_FILE = Path("var/addresses.json")


def read_addresses(path: Path = ADDRESSES_FILE) -> dict[str, str]:
    """Addresses by service name (kafka, redis, ranker, lag, ...); empty when no local stack is running.

    Raises ValueError when the file is there and is not a JSON object of strings.
    """
    try:
        text = path.read_text()
    except FileNotFoundError:
        return {}
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{path} is not JSON ({error}); delete it or restart the stack") from None
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise ValueError(f"{path} is not a JSON object of strings; delete it or restart the stack")
    return value


def write_addresses(addresses: Mapping[str, str], path: Path = ADDRESSES_FILE) -> None:
    """Write atomically, for the user alone: an address may hold a password."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.touch(mode=0o600)
    temporary.write_text(json.dumps(dict(addresses), indent=2, sort_keys=True) + "\n")
    temporary.replace(path)
