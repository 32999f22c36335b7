"""docs/kernels/figures.md, the plot beside it and the findings in kernels/README.md, made of the CSV files alone."""

import re
from collections.abc import Sequence
from pathlib import Path

from benchmarks.kernels.case import COMPILED, DECOMPOSED, EXPANDED, OURS, Case
from benchmarks.kernels.findings import findings
from benchmarks.kernels.one_run import COMMANDS, NOT_MEASURED, cases_of, measured_on, note_commit, rows_of
from benchmarks.kernels.plot import PLOT, draw
from benchmarks.kernels.results import COMMITTED, Row, by_shape
from benchmarks.kernels.sources import ROOT
from inference.models.ranker_work import RankerWork
from kernels.hopper import DATASHEET_FLOPS_PER_S
from kernels.roofline import Work

README = ROOT / "kernels" / "README.md"
FIGURES = ROOT / "docs" / "kernels" / "figures.md"
HEADINGS = {"cpu": "On a CPU", "gpu": "On a GPU"}
SECTION = "## {heading}\n\n<!-- table: {kind} -->\n<!-- end -->\n"
FIRST = (EXPANDED, DECOMPOSED, COMPILED)
FORWARD = "ranker_forward"
KNOWN_PEAKS = ("NVIDIA H200", "NVIDIA H100 80GB HBM3")  # as PyTorch names them


def write(folder: Path = COMMITTED) -> list[Path]:
    """Make the pages of a folder's CSV files anew and say which. What is not committed has its page beside it.

    Raises NotOneRunError, and then nothing was written.
    """
    rows = {kind: rows_of(folder, kind, cases_of(kind)) for kind in COMMANDS}
    for kind in COMMANDS:
        note_commit(folder / f"{kind}.csv")
    if folder == COMMITTED:
        pages, plot = {path: path.read_text() for path in (README, FIGURES)}, PLOT
    else:
        sections = [SECTION.format(heading=HEADINGS[kind], kind=kind) for kind, found in rows.items() if found]
        pages, plot = {folder / FIGURES.name: f"# Figures of {folder}\n\n" + "\n".join(sections)}, folder / PLOT.name
    for path, text in pages.items():
        path.write_text(rendered(text, folder))
    return [*pages, plot] if draw(rows["cpu"], plot) else [*pages]


def rendered(text: str, folder: Path = COMMITTED) -> str:
    """`text` with all from `<!-- table: KIND -->` or `<!-- findings: KIND -->` to the next `<!-- end -->` made anew."""
    for kind in COMMANDS:
        for name, make in (("table", tables), ("findings", summed_up)):
            block = re.compile(rf"(<!-- {name}: {kind} -->\n).*?(<!-- end -->)", re.DOTALL)
            found = block.search(text)
            if found:
                text = text[: found.start()] + f"{found[1]}\n{make(kind, folder)}\n{found[2]}" + text[found.end() :]
    return text


def summed_up(kind: str, folder: Path = COMMITTED) -> str:
    """How many cases were measured, on what and by which command, and what they come to."""
    cases = cases_of(kind)
    rows = rows_of(folder, kind, cases)
    measured = {row.key[:3] for row in rows if row.provider == OURS}
    done = sum(case.key in measured for case in cases)
    lines = [f"{done} of {len(cases)} cases, by `{COMMANDS[kind]}`: {measured_on(rows)}.", ""]
    lines += [f"- {line}" for line in findings(rows)] if kind == "cpu" else []
    return "\n".join(lines).strip() + "\n"


def tables(kind: str, folder: Path = COMMITTED) -> str:
    """One table per op: milliseconds of ours, ours' share of the floor, and how many times longer the others take."""
    cases = cases_of(kind)
    rows = rows_of(folder, kind, cases)
    parts = [f"{f'`{COMMANDS[kind]}`, ' if folder == COMMITTED else ''}{measured_on(rows)}.", ""]
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
    if missing and folder == COMMITTED:
        parts += [f"### {NOT_MEASURED.capitalize()}", "", f"For `{COMMANDS[kind]}` to do:", "", *missing, ""]
    return "\n".join(parts)


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
