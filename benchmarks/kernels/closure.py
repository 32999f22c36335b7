"""Which files of the repository some of them import, read from their text: in functions as well, and nothing is run."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path


def closure(roots: Iterable[Path], root: Path) -> set[Path]:
    """`roots`, all below `root` that they import, what that imports, and the packages' own files."""
    found, waiting = set[Path](), list(roots)
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += [file for name in _imported(path) for file in _files_of(name, root)]
    return found


def _imported(path: Path) -> Iterator[str]:
    """Dotted names; of `from a import b` also `a.b`, which may be a module."""
    tree = ast.parse(path.read_bytes())
    # What a fixture imports by itself is for other tests of its folder than those that run without it.
    for node in tree.body if path.name == "conftest.py" else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:  # imports are absolute here
            yield from (f"{node.module}.{one.name}" for one in node.names)


def _files_of(name: str, root: Path) -> Iterator[Path]:
    """Those of a dotted name that are there: its packages and its module."""
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        at = root.joinpath(*parts[:length])
        yield from (file for file in (at / "__init__.py", at.with_suffix(".py")) if file.is_file())
