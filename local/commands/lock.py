"""`python -m local lock`: resolve Kafka's jars anew."""

import argparse
import tempfile
from pathlib import Path

from local.jars import LOCK, SPEC, write_lock


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It has none."""


def run(args: argparse.Namespace) -> int:
    """Write the lock file from `jgo.toml`; needs Maven Central."""
    with tempfile.TemporaryDirectory() as folder:
        num_jars = write_lock(SPEC, LOCK, repository=Path(folder) / "repository")
    print(f"{num_jars} jars in {LOCK}")
    return 0
