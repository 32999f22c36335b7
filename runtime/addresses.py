"""Where the running local stack listens: `var/addresses.json`, written by the runner, read by every command."""

import fcntl
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from runtime.environment import SettingsError

ADDRESSES_FILE = Path("var/addresses.json")
LOCK_NAME = "stack.lock"  # beside the file; the running stack holds it, the kernel frees it whatever the stack dies of


class StackGone(SettingsError):
    """The local stack was killed: its addresses are there, and it is not."""


def read_addresses(path: Path = ADDRESSES_FILE) -> dict[str, str]:
    """Addresses by service name (kafka, redis, ranker, lag, ...); empty when no local stack is running.

    Raises StackGone when the stack that wrote them is, SettingsError when the file is not a JSON object of strings.
    """
    try:
        text = path.read_text()
    except FileNotFoundError:
        return {}
    try:
        value = json.loads(text)
    except ValueError as error:
        raise SettingsError(f"{path} is not JSON ({error}); delete it or restart the stack") from None
    if stack_runs(path) is False:
        raise StackGone(
            f"{path} is of a stack that is not running any more (it was killed); start it again with `make demo` or "
            "`python -m local up`, or delete the file"
        )
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise SettingsError(f"{path} is not a JSON object of strings; delete it or restart the stack")
    return value


def stack_runs(path: Path = ADDRESSES_FILE) -> bool | None:
    """Whether a stack runs in the folder of `path`, started or starting; None if none ever did."""
    try:
        lock = path.with_name(LOCK_NAME).open()
    except FileNotFoundError:
        return None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def write_addresses(addresses: Mapping[str, str], path: Path = ADDRESSES_FILE) -> None:
    """Write atomically, for the user alone: an address may hold a password."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.touch(mode=0o600)
    temporary.write_text(json.dumps(dict(addresses), indent=2, sort_keys=True) + "\n")
    temporary.replace(path)


def without_password(address: str) -> str:
    """An address as it may be shown."""
    return re.sub(r"(?<=://)[^/]*@", "***@", address)
