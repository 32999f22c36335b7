"""Figures are printed with their spread, target, command and machine; raw data stay beside them."""

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.figure import Figure, Table, Target
from benchmarks.report import Report
from benchmarks.spread import Spread, percentiles, ratios

MACHINE = {"processor": "a processor", "cores": "2 cores, shared", "load before": "0.1"}


def a_report() -> Report:
    target = Target("at most 2 s", "3 s", reached=False)
    figure = Figure("Waiting", {"repeats": 2}, [target], [Table(["a", "b"], [["1", "2"]])], {"s": [[1.0, 3.0]]})
    return Report("waiting", "python -m benchmarks waiting", MACHINE, figure)


def test_a_percentile_is_taken_within_each_repeat_and_spread_over_them() -> None:
    found = percentiles([[1.0] * 10, [2.0] * 10, [9.0] * 10])
    assert found["p50"] == found["p99"] == Spread(2.0, 1.0, 9.0)


def test_a_ratio_compares_repeats_that_were_measured_side_by_side() -> None:
    assert ratios([[2.0], [30.0]], [[1.0], [10.0]])["p50"] == Spread(2.5, 2.0, 3.0)


def test_a_spread_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        Spread.over([])


def test_a_figure_that_falls_short_says_so() -> None:
    text = a_report().markdown()
    assert "at most 2 s: **3 s**, not reached." in text
    assert "`python -m benchmarks waiting`" in text
    assert "a processor, 2 cores, shared, load 0.1 before the run" in text
    assert "| 1 | 2 |" in text


def test_raw_data_are_kept_and_not_printed(tmp_path: Path) -> None:
    path = a_report().save(tmp_path / "bench")
    assert json.loads(path.read_text())["raw"] == {"s": [[1.0, 3.0]]}
    assert "raw" not in a_report().to_json(raw=False)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert "--repeats" in capsys.readouterr().out
