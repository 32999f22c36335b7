"""What could not be measured, kept beside the CSV: also of a case that ended the process that measured it."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.kernels.case import Case
from benchmarks.kernels.results import Machine

MAX_ATTEMPTS = 3  # of one part: then it is left alone, until the sources, the machine or the day are others
NO_END = "it began and never came to an end"

Part = tuple[str, str, str, tuple[str, ...]]  # op, shape, dtype, providers


@dataclass(frozen=True, slots=True)
class Failure:
    """One case, or a part of it: what was raised, how often it was tried, and on what."""

    op: str
    shape: str
    dtype: str
    providers: tuple[str, ...]
    error: str
    attempts: int
    measured_on: Machine

    @property
    def key(self) -> tuple[str, str, str]:
        """Of the case."""
        return self.op, self.shape, self.dtype

    @property
    def part(self) -> Part:
        return *self.key, self.providers


def part_of(case: Case) -> Part:
    """The same of a case with those providers alone."""
    return *case.key, tuple(case.providers)


class Failures:
    """Those of one machine and its sources, in a file beside the CSV; every change is there at once.

    A part is a failure from when it begins until it has been measured: a GPU that is lost, or a process that dies or
    is killed, leaves what was under way as one.
    """

    def __init__(self, path: Path, machine: Machine, resume: bool) -> None:
        """Without `resume` nothing of before counts; of other machines, sources and days nothing does."""
        self._path, self._machine = path, machine
        kept = read_failures(path) if resume else []
        self._found = {failure.part: failure for failure in kept if failure.measured_on == machine}
        write_failures(path, self._found.values())

    def of(self, case: Case) -> Failure | None:
        """How it failed last; None if it did not."""
        return self._found.get(part_of(case))

    def attempts(self, case: Case) -> int:
        """How often it began and was not measured."""
        failure = self.of(case)
        return failure.attempts if failure else 0

    def begin(self, case: Case) -> None:
        """Before anything of it is computed."""
        part = part_of(case)
        self._found[part] = Failure(*part, NO_END, self.attempts(case) + 1, self._machine)
        write_failures(self._path, self._found.values())

    def end(self, case: Case, error: str | None) -> None:
        """What it raised; None if it was measured."""
        part = part_of(case)
        failure = self._found.pop(part)
        if error is not None:
            self._found[part] = replace(failure, error=error)
        write_failures(self._path, self._found.values())


def in_turn(parts: Iterable[Case], failures: Failures) -> list[Case]:
    """What failed before comes last, and no more once it was tried MAX_ATTEMPTS times."""
    return sorted((part for part in parts if failures.attempts(part) < MAX_ATTEMPTS), key=failures.attempts)


def failures_path(csv: Path) -> Path:
    """`gpu-failed.json` beside `gpu.csv`."""
    return csv.with_name(f"{csv.stem}-failed.json")


def write_failures(path: Path, failures: Iterable[Failure]) -> None:
    """Write these over those of before; without any there is no file."""
    records = [asdict(failure) for failure in failures]
    if not records:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(records, indent=2) + "\n")


def read_failures(path: Path) -> Sequence[Failure]:
    """Those that are kept, none where there are none."""
    records = json.loads(path.read_text()) if path.exists() else []
    return [
        Failure(**record | {"providers": tuple(record["providers"]), "measured_on": Machine(**record["measured_on"])})
        for record in records
    ]
