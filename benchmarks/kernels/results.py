"""The rows of a benchmark as CSV: kept in git, read by `report.py`."""

import csv
import platform
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path

import torch

from benchmarks.kernels.sources import ROOT, sources_commit, sources_digest

COMMITTED = Path(__file__).parent / "results"  # the pages are made of it
SCRATCH = ROOT / "var" / "bench" / "kernels"  # whoever tries something writes over nothing that is kept


@dataclass(frozen=True, slots=True)
class Machine:
    """What a row was measured on, and which code: rows of different ones do not belong to one run."""

    machine: str
    torch: str
    triton: str
    date: str
    sources: str = ""  # their digest; rows that do not say it are of others
    commit: str = field(default="", compare=False)  # where to read them: the same sources may be of many

    @property
    def code(self) -> str:
        """Versions, sources and commit, as a heading has them."""
        sources = f"sources {self.sources or 'not recorded'} (commit {self.commit or 'not recorded'})"
        return f"torch {self.torch}, Triton {self.triton}, {sources}"


@dataclass(frozen=True, slots=True)
class Row:
    """One provider at one shape. `times_ours` is its time over ours in the same turn, the median over the turns."""

    op: str
    shape: str
    dtype: str
    provider: str
    ms: float
    ms_p20: float
    ms_p80: float
    times_ours: float
    floor_ms: float
    bound: str
    error: float
    machine: str
    torch: str
    triton: str
    date: str
    sources: str = ""
    commit: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.op, self.shape, self.dtype, self.provider

    @property
    def measured_on(self) -> Machine:
        return Machine(self.machine, self.torch, self.triton, self.date, self.sources, self.commit)


_NUMBERS = {one.name for one in fields(Row) if one.type is float}


def this_machine(device: torch.device) -> Machine:
    """The GPU's name, or the processor's with its number of threads."""
    try:
        import triton

        version = triton.__version__
    except ImportError:
        version = "none"
    name = (
        torch.cuda.get_device_name() if device.type == "cuda" else f"{_processor()}, {torch.get_num_threads()} threads"
    )
    today = datetime.now(UTC).date().isoformat()
    return Machine(name, torch.__version__, version, today, sources_digest(), sources_commit())


def read_rows(path: Path) -> list[Row]:
    """The rows of a file, none where it is not there."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [_row(record) for record in csv.DictReader(file)]


def merge_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write `rows` over those of the same op, shape, dtype and provider; the others stay."""
    merged = {row.key: row for row in [*read_rows(path), *rows]}
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    with unfinished.open("w", newline="") as file:
        writer = csv.DictWriter(file, [one.name for one in fields(Row)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(_record(merged[key]) for key in sorted(merged))
    unfinished.replace(path)  # whoever is stopped in between has the rows of before


def by_shape(rows: Sequence[Row]) -> Iterator[tuple[tuple[str, str, str], dict[str, Row]]]:
    """Rows of one op, shape and dtype together, by provider."""
    groups: dict[tuple[str, str, str], dict[str, Row]] = {}
    for row in rows:
        groups.setdefault(row.key[:3], {})[row.provider] = row
    yield from groups.items()


def _row(record: dict[str, str]) -> Row:
    values = {name: float(text) if name in _NUMBERS else text for name, text in record.items()}
    return Row(**values)  # type: ignore[arg-type]


def _record(row: Row) -> dict[str, str]:
    return {name: f"{value:.6g}" if isinstance(value, float) else value for name, value in asdict(row).items()}


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
