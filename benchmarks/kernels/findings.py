"""What the figures of a CPU come to, in sentences: every number is of the CSV, so none can be older than it."""

from collections.abc import Iterator, Sequence

from benchmarks.kernels.case import COMPILED, EXPANDED, OURS
from benchmarks.kernels.plot import MODEL, OP, points
from benchmarks.kernels.results import Row

UNIQUE, LIBRARY_UNIQUE = "jagged_unique", "torch.unique"


def findings(rows: Sequence[Row]) -> list[str]:
    """One line each; of what was not measured there is none."""
    return [*_cost(rows), *_compiled(rows), *_unique(rows)]


def _cost(rows: Sequence[Row]) -> Iterator[str]:
    ours, expanded = points(rows, OURS), points(rows, EXPANDED)
    if len(ours) < 2 or [n for n, _ in ours] != [n for n, _ in expanded]:
        return
    (fewest, _), (second, _), (most, _) = ours[0], ours[1], ours[-1]
    grown, copied = (line[-1][1] / line[0][1] for line in (ours, expanded))
    at_most = next(row for row in rows if row.key[:2] == (OP, f"{MODEL} N={most} B=1") and row.provider == EXPANDED)
    yield (
        f"{most / fewest:.0f} times the candidates ({fewest} to {most:,}) cost {grown:.0f} times as much; with the "
        f"request copied to every candidate {copied:.0f} times, and {at_most.times_ours:.1f} times as long as ours at "
        f"{most:,}. From {fewest} to {second} candidates ours takes {ours[1][1] / ours[0][1]:.2f} times as long: there "
        "it is the calls that cost, not the numbers."
    )


def _compiled(rows: Sequence[Row]) -> Iterator[str]:
    found: dict[str, list[float]] = {}
    for row in rows:
        if row.provider == COMPILED:
            found.setdefault(row.op, []).append(row.times_ours)
    if OP in found:
        yield f"`torch.compile` takes {_range(found[OP])} of our time for the forward pass, and seconds to compile."
    faster = [f"`{op}` ({_range(ratios)})" for op, ratios in sorted(found.items()) if max(ratios) < 1]
    if faster:
        yield (
            f"It is faster at every shape, in parts of our time, for {', '.join(faster)}: where a CPU spends its time "
            "on one of them, compile what holds it."
        )


def _unique(rows: Sequence[Row]) -> Iterator[str]:
    ratios = [row.times_ours for row in rows if (row.op, row.provider) == (UNIQUE, LIBRARY_UNIQUE)]
    if ratios:
        yield (
            f"`{LIBRARY_UNIQUE}` takes {_range(ratios)} of the time of `{UNIQUE}` on a CPU; ours is there for graphs, "
            "which cannot wait for its size."
        )


def _range(ratios: Sequence[float]) -> str:
    return f"{min(ratios):.2f} to {max(ratios):.2f}"
