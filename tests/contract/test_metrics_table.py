"""Every metric stands in docs/metrics.md as the code declares it, and keeps the naming rules."""

import ast
import re
from pathlib import Path

import pytest

from tests.metrics_table import FILE, PACKAGES, ROOT, TITLES, Row, declared_rows, metric_modules, render

ROWS = [row for module in metric_modules() for row in declared_rows(module)]
LABELS_OF_IDS = {"user", "user_id", "item", "item_id", "request_id", "event_id", "key"}
OUTSIDE_NAMES = "kafka_"  # kafka_exporter's, kept as they are
DECLARING = {"Counter", "Gauge", "Histogram", "Summary", "Info", "Enum", "GaugeMetricFamily", "CounterMetricFamily"}

every_row = pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])


def documented() -> set[str]:
    return {line for line in FILE.read_text().splitlines() if line.startswith("| `")}


def test_every_metric_is_documented() -> None:
    missing = sorted({row.line() for row in ROWS} - documented())
    assert not missing, "run `python -m tests.metrics_table --write`"


def test_everything_documented_exists() -> None:
    gone = sorted(documented() - {row.line() for row in ROWS})
    assert not gone, "run `python -m tests.metrics_table --write`"


def test_the_file_is_what_the_code_makes_of_it() -> None:
    assert FILE.read_text() == render(), "run `python -m tests.metrics_table --write`"


def test_no_name_is_used_twice() -> None:
    names = [row.name for row in ROWS]
    assert len(names) == len(set(names))


def test_the_processes_are_covered() -> None:
    assert {module for module in metric_modules() if declared_rows(module)} == set(TITLES)


@every_row
def test_names_have_our_prefix_and_base_units(row: Row) -> None:
    if row.name.startswith(OUTSIDE_NAMES):
        return
    assert re.fullmatch(r"solaris_[a-z]+(_[a-z]+)+", row.name)
    assert not re.search(r"_(ms|milliseconds|minutes|hours|kb|mb|kib|mib|percent)(_|$)", row.name)


@every_row
def test_no_label_is_an_id(row: Row) -> None:
    assert not LABELS_OF_IDS & set(row.labels)


@every_row
def test_the_meaning_is_a_sentence(row: Row) -> None:
    assert row.meaning[0].isupper() or row.meaning[0].isdigit()
    assert row.meaning.endswith(".")


def declarations_outside_metrics_files() -> list[str]:
    found = []
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if path.name != "metrics.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("prometheus_client"):
                found += [f"{_name(path)}: {alias.name}" for alias in node.names if alias.name in DECLARING]
    return found


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_metrics_are_declared_in_metrics_files_alone() -> None:
    assert not declarations_outside_metrics_files()
