"""The Lua scripts: each one atomic step within one key slot.

A script whose first line is `#!lua` is refused as a whole while the server is full or read-only. Without that line the
server looks only at the first writing command, and a script that begins with a deletion would write on a full server.
Scripts that only read, or may only read (`history`), have no such line.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cache.redis_backend.command import Argument, Command

_SHEBANG: Final = "#!lua\n"
_FOLDER: Final = Path(__file__).parent.parent / "scripts"
_NAMES: Final = (
    "active",
    "history",
    "items",
    "pairs_aggregate",
    "pairs_index",
    "pairs_pending",
    "pairs_write",
    "release",
    "user_rows",
    "watermarks",
)


@dataclass(frozen=True, slots=True)
class Scripts:
    """Sources by name, each with `row.lua` before it."""

    sources: dict[str, str]
    digests: dict[str, str]

    @classmethod
    def read(cls) -> "Scripts":
        """Read the scripts that lie beside the package."""
        prelude = (_FOLDER / "row.lua").read_text()
        sources = {name: _joined(prelude, (_FOLDER / f"{name}.lua").read_text()) for name in _NAMES}
        # Redis names a script by this hash; it guards nothing.
        digests = {name: hashlib.sha1(source.encode()).hexdigest() for name, source in sources.items()}  # noqa: S324
        return cls(sources, digests)

    def call(self, name: str, keys: list[str], args: list[Argument]) -> Command:
        """The command that runs a script."""
        return ("EVALSHA", self.digests[name], len(keys), *keys, *args)


def _joined(prelude: str, script: str) -> str:
    """The prelude before the script, behind its first line if that must stay the first."""
    if script.startswith(_SHEBANG):
        return _SHEBANG + prelude + script.removeprefix(_SHEBANG)
    return prelude + script
