"""What a benchmark hands back: figures, the targets they are held against, and every single measurement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under a header; `notes` stand below it."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    notes: Sequence[str] = ()

    def lines(self) -> list[str]:
        """As Markdown."""
        lines = [f"**{self.title}**", ""] if self.title else []
        lines += [_row(self.header), _row(["---"] * len(self.header)), *map(_row, self.rows)]
        for note in self.notes:
            lines += ["", note]
        return lines


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure is held against, and the figure itself."""

    text: str
    value: str
    reached: bool


@dataclass(frozen=True, slots=True)
class Figure:
    """One benchmark's outcome. `sound` False: what was measured is wrong (something was lost), not merely slow."""

    title: str
    settings: Mapping[str, Any]  # Any: whatever the benchmark was set to, as JSON
    targets: Sequence[Target]
    tables: Sequence[Table]
    raw: Mapping[str, Any]  # Any: every single measurement, as JSON
    sound: bool = True


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
