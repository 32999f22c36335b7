"""What a page shows side by side was measured side by side, and a page is written over by nothing that was tried."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.kernels import one_run, report
from benchmarks.kernels.__main__ import main
from benchmarks.kernels.case import EXPANDED, OURS
from benchmarks.kernels.one_run import NotOneRunError, cases_of, measured_on, note_commit, rows_of
from benchmarks.kernels.plot import PLOT
from benchmarks.kernels.registry import op_cases
from benchmarks.kernels.results import COMMITTED, SCRATCH, Row, merge_rows, read_rows

FIRST, SECOND = list(op_cases("hash_ids", torch.device("cpu")))


def row(**changed: object) -> Row:
    facts = {
        "op": FIRST.op, "shape": FIRST.shape, "dtype": "int64", "provider": OURS, "ms": 2.0, "ms_p20": 1.0,
        "ms_p80": 3.0, "times_ours": 1.0, "floor_ms": 0.5, "bound": "memory", "error": 1e-7, "machine": "a, 1 threads",
        "torch": "2.13.0", "triton": "3.7.1", "date": "2026-11-21", "sources": "1a2b3c", "commit": "0abcdef",
    }  # fmt: skip
    return Row(**facts | {"dtype": FIRST.key[2]} | changed)  # type: ignore[arg-type]


def found(folder: Path) -> list[Row]:
    return rows_of(folder, "cpu", cases_of("cpu"))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"machine": "a, 2 threads"}, "machine and threads differ"),
        ({"torch": "2.12.0"}, "torch differ"),
        ({"sources": "", "triton": "3.6.0"}, "Triton, sources differ"),
    ],
)
def test_rows_of_several_runs_are_refused(changed: dict[str, str], said: str, tmp_path: Path) -> None:
    merge_rows(tmp_path / "cpu.csv", [row(), row(provider="another"), row(shape=SECOND.shape, **changed)])
    with pytest.raises(NotOneRunError, match=said) as refused:
        found(tmp_path)
    lines = str(refused.value).splitlines()
    assert lines[0].startswith(f"{tmp_path / 'cpu.csv'} is not of one run: ")
    assert len(lines) == 4
    assert "(hash_ids)" in lines[2]
    assert lines[3].startswith(f"`python -m benchmarks.kernels cpu --out {tmp_path}` measures all anew; remove ")


def test_what_differs_of_the_committed_figures_says_how_they_are_had_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_run, "COMMITTED", tmp_path)
    merge_rows(tmp_path / "cpu.csv", [row(), row(shape=SECOND.shape, sources="")])
    with pytest.raises(NotOneRunError, match="sources not recorded") as refused:
        found(tmp_path)
    assert "\n`make bench-kernels` measures all anew; `git checkout -- " in str(refused.value)


def test_rows_of_cases_that_are_no_more_are_left_out(tmp_path: Path) -> None:
    merge_rows(tmp_path / "cpu.csv", [row(), row(shape="T=1 F=1", sources="other")])
    assert found(tmp_path) == [row()]


def test_rows_of_two_days_and_commits_are_of_one_run_where_the_sources_are_the_same() -> None:
    rows = [row(commit=""), row(date="2026-11-22"), row(commit="0abcdee+")]
    assert measured_on(rows) == (
        "a, 1 threads, 2026-11-21 to 2026-11-22, torch 2.13.0, Triton 3.7.1, sources 1a2b3c (commit 0abcdef)"
    )
    assert measured_on([row(commit="")]).endswith("sources 1a2b3c (commit not recorded)")
    assert measured_on([]) == "not measured"


@pytest.mark.parametrize(
    ("sources", "before", "here", "after"),
    [
        ("1a2b3c", "", "1234567", "1234567"),  # a machine without git measured what is checked out
        ("1a2b3c", "0abcdef+", "1234567", "1234567"),  # what was measured has been committed since
        ("1a2b3c", "0abcdef", "1234567", "0abcdef"),
        ("1a2b3c", "", "1234567+", ""),
        ("other", "", "1234567", ""),
    ],
)
def test_a_commit_is_noted_where_the_sources_are_the_very_same(
    sources: str, before: str, here: str, after: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_run, "sources_digest", lambda: "1a2b3c")
    monkeypatch.setattr(one_run, "sources_commit", lambda: here)
    merge_rows(tmp_path / "gpu.csv", [row(sources=sources, commit=before)])
    note_commit(tmp_path / "gpu.csv")
    assert [one.commit for one in read_rows(tmp_path / "gpu.csv")] == [after]


def test_figures_that_were_tried_have_a_page_of_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pages = {path: path.read_bytes() for path in (report.README, report.FIGURES, PLOT)}
    assert main(["report", "--from", str(tmp_path)]) == 1
    assert "there is no cpu.csv or gpu.csv in" in capsys.readouterr().err
    forward = replace(row(), op="ranker_forward", shape="compact N=50 B=1", dtype="float32")
    merge_rows(tmp_path / "cpu.csv", [row(), forward, replace(forward, provider=EXPANDED, ms=3.0)])
    assert main(["report", "--from", str(tmp_path)]) == 0
    written = [tmp_path / "figures.md", tmp_path / "cost.svg"]
    assert capsys.readouterr().out == "".join(f"wrote {path}\n" for path in written)
    text = written[0].read_text()
    assert "## On a GPU" not in text
    assert f"\n| {FIRST.shape} | 2 |" in text
    assert pages == {path: path.read_bytes() for path in pages}
    merge_rows(tmp_path / "cpu.csv", [row(shape=SECOND.shape, torch="2.12.0")])
    assert main(["report", "--from", str(tmp_path)]) == 1
    assert "torch differ" in capsys.readouterr().err
    assert written[0].read_text() == text


def test_what_is_tried_goes_where_git_looks_not() -> None:
    assert SCRATCH.relative_to(COMMITTED.parents[2]).parts[0] == "var"
    makefile = (COMMITTED.parents[2] / "Makefile").read_text()
    assert f"KERNEL_FIGURES := {COMMITTED.relative_to(COMMITTED.parents[2])}\n" in makefile
