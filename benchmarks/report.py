"""A figure with what makes it worth something: the command, the machine, the day."""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.figure import Figure


@dataclass(frozen=True, slots=True)
class Report:
    """One run of one benchmark."""

    name: str
    command: str
    machine: Mapping[str, str]
    figure: Figure
    measured_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def markdown(self) -> str:
        """The section of `docs/figures.md`."""
        facts = self.machine
        where = f"{facts['processor']}, {facts['cores']}, load {facts['load before']} before the run"
        lines = [f"## {self.figure.title}", "", f"`{self.command}`, {self.measured_at[:10]}, {where}.", ""]
        for target in self.figure.targets:
            lines.append(f"- {target.text}: **{target.value}**, {'reached' if target.reached else 'not reached'}.")
        for table in self.figure.tables:
            lines += ["", *table.lines()]
        return "\n".join(lines) + "\n"

    def to_json(self, *, raw: bool) -> dict[str, Any]:  # Any: JSON
        """Everything; the single measurements only if asked for."""
        facts = asdict(self)
        facts |= facts.pop("figure")
        if not raw:
            del facts["raw"]
        return facts

    def save(self, folder: Path) -> Path:
        """Write it with its raw data; the name holds the time, so that no run overwrites another."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}.json"
        path.write_text(json.dumps(self.to_json(raw=True), indent=1) + "\n")
        return path
