"""docs/metrics.md from the registries: `python -m tests.metrics_table` prints it, `--write` replaces the file.

Every `metrics.py` of the packages is imported and what it declares is listed, so that a metric cannot be forgotten;
tests/contract/test_metrics_table.py fails when file and code disagree.
"""

import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric

from tests.generated_page import print_or_write

ROOT = Path(__file__).parent.parent
FILE = ROOT / "docs" / "metrics.md"
PACKAGES = ("inference", "streams", "cache", "runtime", "kernels")

UNITS = {"seconds": "s", "bytes": "bytes", "ratio": "ratio", "info": "1"}
TABLE_HEAD = "| name | type | labels | unit | meaning |\n|---|---|---|---|---|\n"
TITLES = {
    "inference.metrics": "Ranker",
    "inference.effects.metrics": "Effects (agents, rebuild, fills)",
    "streams.agent.metrics": "Agents",
    "streams.lag.metrics": "Lag monitor",
}
HEAD = """\
# Metrics

Every process serves `/metrics` in Prometheus' text format: the ranker on port 8000, the lag monitor on 8001, the agents
from 8010 up (`var/addresses.json` has the addresses of a running local stack). Units are base units and no label is an
id. A counter's name ends in `_total`; a histogram has `_bucket`, `_sum` and `_count`. Each process also has the
`process_*` metrics of the Prometheus client.

The tables are made from the code: after changing a metric run `python -m tests.metrics_table --write`.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One metric as it is exposed, the name without a histogram's suffixes."""

    name: str
    type: str
    labels: tuple[str, ...]
    meaning: str

    @property
    def unit(self) -> str:
        """From the last word of the name, as Prometheus wants it; what is counted where it names none."""
        words = self.name.removesuffix("_total").split("_")
        return UNITS.get(words[-1], "count")

    def line(self) -> str:
        """The row in Markdown."""
        labels = ", ".join(f"`{label}`" for label in self.labels)
        return f"| `{self.name}` | {self.type} | {labels} | {self.unit} | {self.meaning.replace('|', chr(92) + '|')} |"


def rows_of(family: Metric, labels: tuple[str, ...]) -> Row:
    """A row from what a metric or a collector describes."""
    name = f"{family.name}_total" if family.type == "counter" else family.name
    return Row(name, family.type, labels, family.documentation)


def metric_modules() -> list[str]:
    """Every `metrics.py`, in the order of the packages."""
    found = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("metrics.py"))]
    return [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in found]


def declared_rows(module: str) -> list[Row]:
    """The metrics that a module declares at its top, and those that its registry describes on demand."""
    loaded = importlib.import_module(module)
    rows = [
        rows_of(family, metric._labelnames)
        for metric in vars(loaded).values()
        if isinstance(metric, MetricWrapperBase)
        for family in metric.describe()
    ]
    if module == "streams.lag.metrics":
        rows += list(_lag_rows())
    return rows


def _lag_rows() -> Iterator[Row]:
    """The lag monitor makes its families from what it has read: from an example that has one of each."""
    from streams.lag.history import LagHistory
    from streams.lag.metrics import lag_registry
    from streams.lag.snapshot import GroupState, PartitionState, Place, Snapshot

    place = Place("topic", 0)
    snapshot = Snapshot(
        time_s=1.0,
        brokers={1: "broker:9092"},
        partitions={place: PartitionState(0, 2, leader=1, replicas=(1,), in_sync=(1,))},
        groups={"group": GroupState("stable", 1, {place: 2})},
    )
    report = LagHistory(window_s=20.0, history_s=600.0).add(snapshot)
    registry, _ = lag_registry(lambda: (snapshot, report))
    for family in registry.collect():
        if not family.name.startswith("process_"):
            samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            labels = tuple(label for label in samples[0].labels if label != "le")
            yield rows_of(family, labels)


def render() -> str:
    """The whole file."""
    parts = [HEAD]
    for module in metric_modules():
        rows = declared_rows(module)
        if rows:
            parts.append(f"\n## {TITLES.get(module, module)}\n\n{TABLE_HEAD}")
            parts += [row.line() + "\n" for row in rows]
    return "".join(parts)


if __name__ == "__main__":
    sys.exit(print_or_write("metrics_table", FILE, render))
