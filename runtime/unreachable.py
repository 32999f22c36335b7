"""Servers that a command needs and does not get: one text and one exit status, whichever command it was.

Whoever finds out raises an `Unreachable`; `runtime.command_line` prints what `explain` makes of it.
"""

import os
from enum import Enum, StrEnum
from typing import ClassVar, Final

from runtime.addresses import ADDRESSES_FILE, read_addresses, without_password
from runtime.environment import SettingsError
from runtime.settings import kafka_settings, redis_settings

EXIT_UNREACHABLE: Final = 69  # EX_UNAVAILABLE of sysexits.h, as the agents' 78 is its EX_CONFIG


class Server(Enum):
    """Name, the variable that has its address, and its name in the addresses of the local stack."""

    KAFKA = ("Kafka", "SOLARIS_KAFKA_BOOTSTRAP", "kafka")
    REDIS = ("Redis", "SOLARIS_REDIS_URL", "redis")


class Failing(StrEnum):
    """What is the matter with a server, in words."""

    AWAY = "cannot be reached"
    REFUSES = "refuses us"
    UNFIT = "cannot be used now"


class Unreachable(Exception):
    """A server does not answer, or answers and is of no use: nothing was done, or not all of it.

    `cause`: the client's own words. Without a `server` the text of the exception says where it was looked for.
    """

    server: ClassVar[Server | None] = None
    failing: Failing = Failing.AWAY
    cause: str = ""


def address_of(server: Server) -> str:
    """Where a server is looked for and who says so: `127.0.0.1:9092 (the default)`. Raises SettingsError."""
    _, variable, name = server.value
    address = kafka_settings().bootstrap if server is Server.KAFKA else redis_settings().url
    if variable in os.environ:
        origin = f"from {variable}"
    else:
        origin = f"from {ADDRESSES_FILE}" if name in read_addresses() else f"the default, {variable} is not set"
    return f"{without_password(address)} ({origin})"


def explain(error: Unreachable) -> str:
    """What cannot be reached, where, who named that address, why, and on a second line what to do."""
    if error.server is None:
        return f"{error}\n{_next_step('--url', given=False)}"
    name, variable, _ = error.server.value
    try:
        place = address_of(error.server)
    except SettingsError as gone:  # the stack was killed meanwhile
        return str(gone)
    said = f"{name} {error.failing} at {place}: {error.cause}"
    match error.failing:
        case Failing.AWAY:
            return f"{said}\n{_next_step(variable, given=variable in os.environ)}"
        case Failing.REFUSES:
            return f"{said}\ndocs/security.md has the rights that are needed, and the variables that say who we are."
        case Failing.UNFIT:
            return f"{said}\nTry again when it has recovered."


def _next_step(variable: str, *, given: bool) -> str:
    if given:
        return f"Is it running there? Correct {variable}, or unset it and start the demo with `make demo`."
    return f"Is the demo running? Start it with `make demo`, or name a server of your own with {variable}."
