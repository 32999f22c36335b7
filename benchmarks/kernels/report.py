"""The tables of kernels/README.md, made of the CSV files alone: a figure that is not there stands as "not measured"."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from benchmarks.kernels.case import COMPILED, DECOMPOSED, EXPANDED, OURS, Case
from benchmarks.kernels.registry import all_cases
from benchmarks.kernels.results import FOLDER, Row, by_shape, read_rows
from inference.models.ranker_work import RankerWork
from kernels.roofline import Work

README = Path(__file__).parents[2] / "kernels" / "README.md"
NOT_MEASURED = "not measured"
COMMANDS = {"cpu": "OMP_NUM_THREADS=1 python -m benchmarks.kernels cpu", "gpu": "benchmarks/kernels/gpu.sh"}
FIRST = (EXPANDED, DECOMPOSED, COMPILED)
FORWARD = "ranker_forward"
DATASHEET_BF16 = {"NVIDIA H200": 989e12, "NVIDIA H100 80GB HBM3": 989e12}  # dense, operations a second


def rendered(text: str, kinds: Iterable[str] = ("cpu", "gpu")) -> str:
    """`text` with everything between `<!-- table: KIND -->` and `<!-- end -->` made anew."""
    for kind in kinds:
        block = re.compile(rf"(<!-- table: {kind} -->\n).*?(<!-- end -->)", re.DOTALL)
        text = block.sub(lambda match, kind=kind: match[1] + "\n" + tables(kind) + "\n" + match[2], text)  # type: ignore[misc]
    return text


def tables(kind: str) -> str:
    """One table per op: milliseconds of ours, ours' share of the floor, and how many times longer the others take."""
    rows = read_rows(FOLDER / f"{kind}.csv")
    cases = list(all_cases(torch.device("cuda" if kind == "gpu" else "cpu")))
    parts = [f"`{COMMANDS[kind]}`, {_measured_on(rows)}.", ""]
    for op in dict.fromkeys(case.op for case in cases):
        of_op = [case for case in cases if case.op == op]
        parts += _op_table(op, of_op, rows)
        if op == FORWARD and kind == "gpu":
            parts += _mfu_table(of_op, rows)
    return "\n".join(parts)


def _op_table(op: str, cases: Sequence[Case], rows: Sequence[Row]) -> list[str]:
    measured = dict(by_shape([row for row in rows if row.op == op]))
    names = dict.fromkeys(name for case in cases for name in case.providers if name != OURS)
    others = sorted(names, key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST), name))
    lines = [
        f"### {op}",
        "",
        f"| shape | ours, ms | of the floor | {' | '.join(others)} |",
        "| --- " * (3 + len(others)) + "|",
    ]
    for case in cases:
        found = measured.get((op, case.shape, str(case.dtype).removeprefix("torch.")), {})
        ours = found.get(OURS)
        own = [f"{ours.ms:.3g}", f"{ours.floor_ms / ours.ms:.0%} ({ours.bound})"] if ours else [NOT_MEASURED] * 2
        lines.append(f"| {case.shape} | {' | '.join(own + [_ratio(name, case, found) for name in others])} |")
    return [*lines, ""]


def _mfu_table(cases: Sequence[Case], rows: Sequence[Row]) -> list[str]:
    """Model FLOPs utilisation: useful operations alone. What sharing saved stands under its own name."""
    ours = {row.shape: row for row in rows if row.op == FORWARD and row.provider == OURS}
    head = "| shape | useful TFLOP | MFU of the datasheet's bf16 peak | as if unshared, TFLOP/s (not an MFU) |"
    lines = [head, "| --- " * 4 + "|"]
    for case in cases:
        assert isinstance(case.work, RankerWork)
        row, useful = ours.get(case.shape), case.work.flops
        share = mfu(case.work, row) if row else None
        effective = f"{case.work.unshared_flops / (row.ms / 1e3) / 1e12:.4g}" if row else NOT_MEASURED
        utilised = NOT_MEASURED if share is None else f"{share:.1%}"
        lines.append(f"| {case.shape} | {useful / 1e12:.3g} | {utilised} | {effective} |")
    return [*lines, ""]


def mfu(work: Work, row: Row) -> float | None:
    """The share of the datasheet's dense bf16 peak that useful operations had; None where the peak is not known."""
    peak = DATASHEET_BF16.get(row.machine)
    return None if peak is None else work.flops / (row.ms / 1e3) / peak


def _ratio(name: str, case: Case, found: dict[str, Row]) -> str:
    if name not in case.providers:
        return "-"
    return f"{found[name].times_ours:.2f} times" if name in found else NOT_MEASURED


def _measured_on(rows: Sequence[Row]) -> str:
    facts = sorted({f"{row.machine}, torch {row.torch}, Triton {row.triton}, {row.date}" for row in rows})
    return "; ".join(facts) if facts else NOT_MEASURED
