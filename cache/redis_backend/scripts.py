"""The Lua scripts: each one atomic step within one key slot."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cache.redis_backend.command import Argument, Command

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
        sources = {name: prelude + (_FOLDER / f"{name}.lua").read_text() for name in _NAMES}
        # Redis names a script by this hash; it guards nothing.
        digests = {name: hashlib.sha1(source.encode()).hexdigest() for name, source in sources.items()}  # noqa: S324
        return cls(sources, digests)

    def call(self, name: str, keys: list[str], args: list[Argument]) -> Command:
        """The command that runs a script."""
        return ("EVALSHA", self.digests[name], len(keys), *keys, *args)
