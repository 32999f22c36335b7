"""`python -m tests.unit.benchmarks.bare_python ARGUMENT ...`: pytest with torch, Triton, numpy, pytest and no more."""

import importlib.abc
import re
import sys
from collections.abc import Sequence
from importlib import metadata
from types import ModuleType

import pytest

THERE = ("torch", "triton", "numpy", "pytest")


class Absent(importlib.abc.MetaPathFinder):
    """Finds none of some packages, as if they were not installed."""

    def __init__(self, names: set[str]) -> None:
        self._names = names

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        """Raise for what is absent; leave the rest to others."""
        if name.partition(".")[0] in self._names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def absent() -> set[str]:
    """The importable names of everything that is installed and that none of THERE asks for."""
    wanted, there = list(THERE), set[str]()
    while wanted:
        name = re.sub(r"[-_.]+", "-", wanted.pop()).lower()
        if name in there:
            continue
        there.add(name)
        try:
            asked = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # for another platform
            continue
        wanted += [re.split(r"[^\w.-]", one)[0] for one in asked if "extra ==" not in one]
    found = metadata.packages_distributions()
    return {
        name for name, owners in found.items() if not {re.sub(r"[-_.]+", "-", one).lower() for one in owners} & there
    }


if __name__ == "__main__":
    sys.meta_path.insert(0, Absent(absent()))
    sys.exit(pytest.main(sys.argv[1:]))
