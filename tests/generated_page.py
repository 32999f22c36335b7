"""The command line of a page of docs/ that is made from the code."""

import argparse
from collections.abc import Callable
from pathlib import Path


def print_or_write(module: str, file: Path, render: Callable[[], str]) -> int:
    """`python -m tests.MODULE [--write]`: print the page, or replace its file; the exit status."""
    description = f"Make {file.parent.name}/{file.name}."
    parser = argparse.ArgumentParser(prog=f"python -m tests.{module}", description=description)
    parser.add_argument("--write", action="store_true", help="replace the file instead of printing it")
    if parser.parse_args().write:
        file.write_text(render())
    else:
        print(render(), end="")
    return 0
