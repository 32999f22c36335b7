"""What a run could not measure, kept beside its CSV until the next run."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Failure:
    """One case, or a part of it, and what was raised."""

    op: str
    shape: str
    dtype: str
    error: str

    @property
    def key(self) -> tuple[str, str, str]:
        return self.op, self.shape, self.dtype


def failures_path(csv: Path) -> Path:
    """`gpu-failed.json` beside `gpu.csv`."""
    return csv.with_name(f"{csv.stem}-failed.json")


def write_failures(path: Path, failures: Iterable[Failure]) -> None:
    """Write these over those of the run before; without any there is no file."""
    records = [asdict(failure) for failure in failures]
    if not records:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(records, indent=2) + "\n")


def read_failures(path: Path) -> list[Failure]:
    """Those of the last run, none where there was none."""
    return [Failure(**record) for record in json.loads(path.read_text())] if path.exists() else []
