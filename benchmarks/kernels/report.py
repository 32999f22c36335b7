"""docs/kernels/figures.md and the findings in kernels/README.md, made of the CSV files alone."""

import re
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.kernels.case import COMPILED, DECOMPOSED, EXPANDED, OURS, Case
from benchmarks.kernels.findings import findings
from benchmarks.kernels.registry import all_cases
from benchmarks.kernels.results import FOLDER, Row, by_shape, read_rows
from inference.models.ranker_work import RankerWork
from kernels.hopper import DATASHEET_FLOPS_PER_S
from kernels.roofline import Work

ROOT = Path(__file__).parents[2]
README = ROOT / "kernels" / "README.md"
FIGURES = ROOT / "docs" / "kernels" / "figures.md"
NOT_MEASURED = "not measured"
COMMANDS = {"cpu": "OMP_NUM_THREADS=1 python -m benchmarks.kernels cpu", "gpu": "benchmarks/kernels/gpu.sh"}
FIRST = (EXPANDED, DECOMPOSED, COMPILED)
FORWARD = "ranker_forward"
KNOWN_PEAKS = ("NVIDIA H200", "NVIDIA H100 80GB HBM3")  # as PyTorch names them


def write() -> None:
    """Make both anew."""
    for path in (README, FIGURES):
        path.write_text(rendered(path.read_text()))


def rendered(text: str) -> str:
    """`text` with all from `<!-- table: KIND -->` or `<!-- findings: KIND -->` to the next `<!-- end -->` made anew."""
    for kind in COMMANDS:
        for name, make in (("table", tables), ("findings", summed_up)):
            block = re.compile(rf"(<!-- {name}: {kind} -->\n).*?(<!-- end -->)", re.DOTALL)
            found = block.search(text)
            if found:
                text = text[: found.start()] + f"{found[1]}\n{make(kind)}\n{found[2]}" + text[found.end() :]
    return text


def summed_up(kind: str) -> str:
    """How many cases were measured, on what and by which command, and what they come to."""
    rows, cases = read_rows(FOLDER / f"{kind}.csv"), _cases(kind)
    measured = {row.key[:3] for row in rows if row.provider == OURS}
    done = sum(case.key in measured for case in cases)
    lines = [f"{done} of {len(cases)} cases, by `{COMMANDS[kind]}`: {_measured_on(rows)}.", ""]
    lines += [f"- {line}" for line in findings(rows)] if kind == "cpu" else []
    return "\n".join(lines).strip() + "\n"


def tables(kind: str) -> str:
    """One table per op: milliseconds of ours, ours' share of the floor, and how many times longer the others take."""
    rows, cases = read_rows(FOLDER / f"{kind}.csv"), _cases(kind)
    parts = [f"`{COMMANDS[kind]}`, {_measured_on(rows)}.", ""]
    missing = []
    for op in dict.fromkeys(case.op for case in cases):
        of_op = [case for case in cases if case.op == op]
        by_case = dict(by_shape([row for row in rows if row.op == op]))
        measured = {case.key: case for case in of_op if OURS in by_case.get(case.key, {})}
        if measured:
            parts += _op_table(op, [(case, by_case[key]) for key, case in measured.items()])
            parts += _mfu_table(of_op, rows) if op == FORWARD and kind == "gpu" else []
        if len(measured) < len(of_op):
            missing.append(f"- `{op}`: {len(of_op) - len(measured)} of {len(of_op)} cases")
    if missing:
        parts += [f"### {NOT_MEASURED.capitalize()}", "", f"For `{COMMANDS[kind]}` to do:", "", *missing, ""]
    return "\n".join(parts)


def _cases(kind: str) -> list[Case]:
    return list(all_cases(torch.device("cuda" if kind == "gpu" else "cpu")))


def _op_table(op: str, measured: Sequence[tuple[Case, dict[str, Row]]]) -> list[str]:
    """A line for each case, with its rows by provider."""
    names = dict.fromkeys(name for case, _ in measured for name in case.providers if name != OURS)
    others = sorted(names, key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST), name))
    head = [f"| shape | ours, ms | of the floor | {' | '.join(others)} |", "| --- " * (3 + len(others)) + "|"]
    return [f"### {op}", "", *head, *(_line(case, found, others) for case, found in measured), ""]


def _line(case: Case, found: dict[str, Row], others: Sequence[str]) -> str:
    ours = found[OURS]
    cells = [case.shape, f"{ours.ms:.3g}", f"{ours.floor_ms / ours.ms:.0%} ({ours.bound})"]
    return f"| {' | '.join(cells + [_ratio(name, case, found) for name in others])} |"


def _mfu_table(cases: Sequence[Case], rows: Sequence[Row]) -> list[str]:
    """Model FLOPs utilisation: useful operations alone. What sharing saved stands under its own name."""
    ours = {row.shape: row for row in rows if row.op == FORWARD and row.provider == OURS}
    head = "| shape | useful TFLOP | MFU of the datasheet's bf16 peak | as if unshared, TFLOP/s (not an MFU) |"
    lines = [head, "| --- " * 4 + "|"]
    for case in cases:
        assert isinstance(case.work, RankerWork)
        if row := ours.get(case.shape):
            share = mfu(case.work, row)
            effective = case.work.unshared_flops / (row.ms / 1e3) / 1e12
            utilised = "the peak is not known" if share is None else f"{share:.1%}"
            lines.append(f"| {case.shape} | {case.work.flops / 1e12:.3g} | {utilised} | {effective:.4g} |")
    return [*lines, ""]


def mfu(work: Work, row: Row) -> float | None:
    """The share of the datasheet's dense bf16 peak that useful operations had; None where the peak is not known."""
    return work.flops / (row.ms / 1e3) / DATASHEET_FLOPS_PER_S[2] if row.machine in KNOWN_PEAKS else None


def _ratio(name: str, case: Case, found: dict[str, Row]) -> str:
    if name not in case.providers:
        return "-"
    return f"{found[name].times_ours:.2f} times" if name in found else NOT_MEASURED


def _measured_on(rows: Sequence[Row]) -> str:
    facts = sorted({(row.machine, row.torch, row.triton, row.date, row.sources) for row in rows})
    return (
        "; ".join(
            f"{machine}, torch {torch_version}, Triton {triton}, {date}{f', sources {sources}' if sources else ''}"
            for machine, torch_version, triton, date, sources in facts
        )
        or NOT_MEASURED
    )
