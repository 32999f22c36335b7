"""docs/settings.md from the settings classes: `python -m tests.settings_table` prints it, `--write` replaces the file.

Every `load(Class, "SOLARIS_...")` of the packages is found in their source, so that a prefix cannot be forgotten; what
a field means is the comment behind it. tests/contract/test_settings_table.py fails when file and code disagree.
"""

import ast
import dataclasses
import importlib
import inspect
import re
import sys
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.generated_page import print_or_write

ROOT = Path(__file__).parent.parent
FILE = ROOT / "docs" / "settings.md"
PACKAGES = ("runtime", "inference", "streams", "cache", "kernels", "local")

TABLE_HEAD = "| variable | what it takes | default | meaning |\n|---|---|---|---|\n"
TITLES = {  # prefix -> who reads it, in the order of the page
    "SOLARIS_KAFKA": "Kafka, all processes and commands",
    "SOLARIS_REDIS": "Redis, all processes and commands",
    "SOLARIS_RANKER": "The ranker",
    "SOLARIS_AGENT": "Every agent",
    "SOLARIS_SPECULATION": "Speculation",
    "SOLARIS_PAIRS": "Pair inference",
    "SOLARIS_LAG": "The lag monitor",
    "SOLARIS_LOCAL": "The local stack and the demo",
}
WORDS = {str: "text", int: "a whole number", float: "a number", bool: "yes or no", Path: "a path"}
# Those that belong to no class: name, what it takes, default, meaning.
SINGLE = (
    ("SOLARIS_MODEL", "text", "main", "the model that is trained, served, and computed for by the agents"),
    ("SOLARIS_LOG_LEVEL", "DEBUG, INFO, WARNING, ERROR", "INFO", "the least that a process logs"),
    ("SOLARIS_KERNELS", "auto, triton, reference", "auto", "the form of the kernels (`kernels/README.md`)"),
)
HEAD = """\
# Settings

Environment variables, with units in their names; a wrong value, or an unknown name under a prefix that a process reads,
stops it and is named. Yes or no is `1`/`0`, `true`/`false`, `yes`/`no` or `on`/`off`. Where Kafka's and Redis'
addresses are not set, those of the local stack that runs in this folder (`var/addresses.json`) go before the default.

The tables are made from the code: after changing a setting run `python -m tests.settings_table --write`.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One variable, as the page has it."""

    name: str
    takes: str
    default: str
    meaning: str

    def line(self) -> str:
        """The row in Markdown."""
        default = f"`{self.default}`" if self.default else ""
        return f"| `{self.name}` | {self.takes} | {default} | {self.meaning} |"


def loaded_classes() -> dict[str, type]:
    """Prefix -> its settings class, of every `load(Class, prefix)` in the packages."""
    found: dict[str, type] = {}
    for path in sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(ast.Name("load"), [ast.Name(name), ast.Constant(str(prefix)), *_]):
                    module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
                    found[prefix] = getattr(module, name)
    return found


def rows_of(prefix: str, cls: type) -> list[Row]:
    """The variables of one settings class."""
    hints, comments = typing.get_type_hints(cls), _comments(cls)
    return [
        Row(f"{prefix}_{field.name.upper()}", _takes(hints[field.name]), _default(field), comments.get(field.name, ""))
        for field in dataclasses.fields(cls)
    ]


def render() -> str:
    """The whole page."""
    classes = loaded_classes()
    parts = [HEAD, f"\n## Single ones\n\n{TABLE_HEAD}", *(Row(*row).line() + "\n" for row in SINGLE)]
    for prefix in sorted(classes, key=list(TITLES).index):
        parts.append(f"\n## {TITLES[prefix]}\n\n{TABLE_HEAD}")
        parts += [row.line() + "\n" for row in rows_of(prefix, classes[prefix])]
    return "".join(parts)


def _takes(hint: Any) -> str:  # Any: a type as `typing` tells it
    if isinstance(hint, types.UnionType):
        return _takes(next(option for option in typing.get_args(hint) if option is not types.NoneType))
    if typing.get_origin(hint) is typing.Literal:
        return ", ".join(typing.get_args(hint))
    return WORDS[hint]


def _default(field: "dataclasses.Field[Any]") -> str:
    value = field.default
    if value is None or value is dataclasses.MISSING:
        return ""  # not set, or made when the process starts
    if isinstance(value, Path):
        return str(value.relative_to(ROOT))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _comments(cls: type) -> dict[str, str]:
    lines = re.findall(r"^    (\w+): [^#\n]*?# (.+)$", inspect.getsource(cls), re.MULTILINE)
    return dict(lines)


if __name__ == "__main__":
    sys.exit(print_or_write("settings_table", FILE, render))
