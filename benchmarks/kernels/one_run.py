"""The rows that one page shows beside each other: of cases that there are, and all of one run."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.kernels.case import Case
from benchmarks.kernels.registry import all_cases
from benchmarks.kernels.results import COMMITTED, Row, merge_rows, read_rows
from benchmarks.kernels.sources import sources_commit, sources_digest

COMMANDS = {"cpu": "make bench-kernels", "gpu": "make bench-gpu"}  # measure all into COMMITTED
NOT_MEASURED = "not measured"
OF_ONE_RUN = {"machine": "machine and threads", "torch": "torch", "triton": "Triton", "sources": "sources"}


class NotOneRunError(Exception):
    """A table of such rows would compare what was never measured beside each other."""


def cases_of(kind: str) -> list[Case]:
    """Of `cpu` or `gpu`."""
    return list(all_cases(torch.device("cuda" if kind == "gpu" else "cpu")))


def rows_of(folder: Path, kind: str, cases: Sequence[Case]) -> list[Row]:
    """Those of `cases` that the CSV has; NotOneRunError if they are not of one machine, version and source."""
    path, asked = folder / f"{kind}.csv", {(*case.key, name) for case in cases for name in case.providers}
    rows = [row for row in read_rows(path) if row.key in asked]
    runs = Counter(tuple(str(getattr(row, name)) for name in OF_ONE_RUN) for row in rows)
    if len(runs) > 1:
        raise NotOneRunError(_difference(path, rows, runs))
    return rows


def measured_on(rows: Sequence[Row]) -> str:
    """What rows of one run were measured on, and when."""
    if not rows:
        return NOT_MEASURED
    # The sources are the same in all: any commit that has them without a change is that of all.
    commit = min((row.commit for row in rows), key=lambda commit: (not commit, commit.endswith("+"), commit))
    dates = sorted({row.date for row in rows})
    days = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    machine = replace(rows[0].measured_on, commit=commit)
    return f"{machine.machine}, {days}, {machine.code}"


def note_commit(path: Path) -> None:
    """Give rows of the very sources that are checked out here the commit, where no git was to tell it of them."""
    commit = sources_commit()
    if commit and not commit.endswith("+"):
        mine = [row for row in read_rows(path) if row.sources == sources_digest() and row.commit[-1:] in ("", "+")]
        if mine:
            merge_rows(path, [replace(row, commit=commit) for row in mine])


def _difference(path: Path, rows: Sequence[Row], runs: Counter[tuple[str, ...]]) -> str:
    named = [name for place, name in enumerate(OF_ONE_RUN) if len({run[place] for run in runs}) > 1]
    lines = [f"{path} is not of one run: {', '.join(OF_ONE_RUN[name] for name in named)} differ."]
    for run, count in runs.most_common():
        facts = dict(zip(OF_ONE_RUN, run, strict=True))
        ops = sorted({row.op for row in rows if all(getattr(row, name) == facts[name] for name in OF_ONE_RUN)})
        some = f"{', '.join(ops[:3])} and {len(ops) - 3} more" if len(ops) > 4 else ", ".join(ops)
        said = ", ".join(f"{OF_ONE_RUN[name]} {facts[name] or 'not recorded'}" for name in named)
        lines.append(f"  {count} rows of {said} ({some})")
    command, other = f"python -m benchmarks.kernels {path.stem} --out {path.parent}", f"remove {path} to begin empty"
    if path.parent == COMMITTED:
        command, other = COMMANDS[path.stem], f"`git checkout -- {path}` gives back what was committed"
    return "\n".join([*lines, f"`{command}` measures all anew; {other}"])
