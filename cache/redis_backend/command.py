"""A command on its way to Redis."""

Argument = bytes | str | int
Command = tuple[Argument, ...]
