"""A case that fails, hangs or takes the device with it costs the others nothing, and no figure is of other sources."""

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.kernels import grid
from benchmarks.kernels.case import OURS, Case
from benchmarks.kernels.failures import MAX_ATTEMPTS, NO_END, Failures, failures_path, read_failures
from benchmarks.kernels.grid import Status, run
from benchmarks.kernels.registry import all_cases
from benchmarks.kernels.results import Machine, merge_rows, read_rows, this_machine
from kernels.roofline import Ceilings

CPU = torch.device("cpu")
CASE = next(case for case in all_cases(CPU) if case.op == "topk")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(grid, "measure_ceilings", lambda device, dtype: Ceilings(1e9, 1e9))
    return tmp_path / "cpu.csv"


def given(monkeypatch: pytest.MonkeyPatch, *cases: Case) -> None:
    monkeypatch.setattr(grid, "op_cases", lambda op, device: iter(cases))


def small(name: str, **providers: Callable[..., torch.Tensor]) -> Case:
    """A case that takes no time; every provider but those given does the same."""

    def double(x: torch.Tensor) -> torch.Tensor:
        return x * 2

    return replace(
        CASE, shape=name, inputs=lambda generator, device: (torch.ones(4),), exact=double,
        providers={OURS: double, "another": double, **providers},
    )  # fmt: skip


def illegal(x: torch.Tensor) -> torch.Tensor:
    raise RuntimeError("CUDA error: an illegal memory access was encountered")


def measure(path: Path, *, resume: bool = False, seconds: float = float("inf")) -> Status:
    return run(CPU, ["topk"], path, seconds, resume)


def test_what_failed_is_kept_until_it_is_measured(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, small("a", wrong=lambda x: x * 3), small("b"))
    assert measure(path) is Status.FAILED
    (failure,) = read_failures(failures_path(path))
    assert failure.key == ("topk", "a", "float32")
    assert failure.error.startswith("GateFailed: topk")
    assert {row.shape for row in read_rows(path)} == {"b"}
    given(monkeypatch, small("a"), small("b"))
    assert measure(path) is Status.DONE
    assert not read_failures(failures_path(path))


def test_a_lost_device_is_recorded_first_and_the_next_process_goes_on_with_the_others(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given(monkeypatch, small("a"), small("b", sticky=illegal), small("c"))
    monkeypatch.setattr(grid, "usable", lambda device: False)

    def unreachable(device: torch.device) -> None:
        raise AssertionError("a device that is lost cannot let go of anything")

    forgotten: list[object] = []
    monkeypatch.setattr(grid, "_forget", forgotten.append)
    assert measure(path) is Status.LOST
    assert len(forgotten) == 1  # after a: b has left nothing that answers
    (failure,) = read_failures(failures_path(path))
    assert (failure.shape, failure.attempts) == ("b", 1)
    assert failure.error == "RuntimeError: CUDA error: an illegal memory access was encountered"
    assert measure(path, resume=True) is Status.LOST  # b again, after c
    assert {row.shape for row in read_rows(path)} == {"a", "c"}
    statuses = [measure(path, resume=True) for _ in range(MAX_ATTEMPTS)]
    assert statuses == [Status.LOST] * (MAX_ATTEMPTS - 2) + [Status.FAILED] * 2  # then it is left alone


def test_a_case_that_ends_the_process_is_known_as_failed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(x: torch.Tensor) -> torch.Tensor:
        raise SystemExit  # as far as the files are concerned

    given(monkeypatch, small("a", fatal=killed), small("b"))
    with pytest.raises(SystemExit):
        measure(path)
    (failure,) = read_failures(failures_path(path))
    assert (failure.shape, failure.error) == ("a", NO_END)
    with pytest.raises(SystemExit):
        measure(path, resume=True)
    assert {row.shape for row in read_rows(path)} == {"b"}


def test_a_failure_of_another_op_is_not_of_what_was_asked_for(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    of = {"topk": small("a"), "hash_ids": replace(small("b", wrong=lambda x: x * 3), op="hash_ids")}
    monkeypatch.setattr(grid, "op_cases", lambda op, device: iter([of[op]]))
    assert run(CPU, ["hash_ids"], path, float("inf"), resume=True) is Status.FAILED
    assert "0 of 1 parts are measured, 0 of them now, and 1 failed" in (said := capsys.readouterr().out)
    assert "failed 1 of 3 times: hash_ids b: GateFailed" in said
    assert measure(path, resume=True) is Status.DONE
    assert f"1 of 1 parts are measured, 1 of them now, and 0 failed: {path}" in capsys.readouterr().out
    assert measure(path, resume=True) is Status.DONE
    assert capsys.readouterr().out == f"1 of 1 parts are measured, 0 of them now, and 0 failed: {path}\n"
    assert run(CPU, ["hash_ids", "topk"], path, float("inf"), resume=True) is Status.FAILED


def test_out_of_time_is_a_status_of_its_own(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, small("a"))
    assert measure(path, seconds=-1) is Status.TIME_IS_UP
    assert measure(path, resume=True) is Status.DONE


def test_figures_of_other_sources_are_measured_anew(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, small("a"))
    measure(path)
    (row, _) = read_rows(path)
    merge_rows(path, [replace(one, ms=-1.0) for one in read_rows(path)])
    measure(path, resume=True)
    assert {one.ms for one in read_rows(path)} == {-1.0}  # of these sources: left as they are
    merge_rows(path, [replace(one, ms=-1.0, sources="other") for one in read_rows(path)])
    measure(path, resume=True)
    assert all(one.ms > 0 and one.sources == row.sources for one in read_rows(path))


def test_failures_of_other_sources_are_forgotten(tmp_path: Path) -> None:
    path, machine = tmp_path / "failed.json", this_machine(CPU)
    Failures(path, replace(machine, sources="other"), resume=False).begin(CASE)
    assert Failures(path, replace(machine, sources="other"), resume=True).attempts(CASE) == 1
    assert Failures(path, machine, resume=True).attempts(CASE) == 0


def test_a_file_without_the_column_is_read_as_of_other_sources(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, small("a"))
    measure(path)
    with path.open() as file:
        records = list(csv.DictReader(file))
    with path.open("w") as file:
        writer = csv.DictWriter(file, [name for name in records[0] if name != "sources"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(records)
    rows = read_rows(path)
    assert {row.sources for row in rows} == {""}
    assert {row.measured_on for row in rows} == {replace(this_machine(CPU), sources="")}
    assert isinstance(rows[0].measured_on, Machine)
