"""What the figures of a CPU come to, in sentences: every number is of the CSV, so none can be older than it."""

from collections.abc import Iterator, Sequence

from benchmarks.kernels.case import COMPILED, DECOMPOSED, EXPANDED, OURS
from benchmarks.kernels.plot import MODEL, OP, points
from benchmarks.kernels.results import Row

SERVED = "served_forward"
UNIQUE, LIBRARY_UNIQUE = "jagged_unique", "torch.unique"
LOST = 0.9  # of our time: what is nearer to it differs from one run to the next


def findings(rows: Sequence[Row]) -> list[str]:
    """One line each; of what was not measured there is none."""
    return [*_cost(rows), *_checks(rows), *_compiled(rows), *_unique(rows)]


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
        "much of the time is that of calls."
    )


def _checks(rows: Sequence[Row]) -> Iterator[str]:
    lost: dict[str, list[Row]] = {}
    for row in rows:
        if row.provider == DECOMPOSED and row.times_ours < LOST:
            lost.setdefault(row.op, []).append(row)
    if not lost:
        return
    of_ops = [
        f"`{op}` at {' and '.join(dict.fromkeys(row.shape.split()[0] for row in found))} "
        f"({_range([row.times_ours for row in found])})"
        for op, found in sorted(lost.items())
    ]
    shortest = min((row for found in lost.values() for row in found), key=lambda row: row.ms)
    extra_us = shortest.ms * (1 / shortest.times_ours - 1) * 1e3
    yield (
        "The same algebra in plain PyTorch is faster by a tenth or more, in parts of our time, for "
        f"{', '.join(of_ops)}: what checking arguments, and keeping NaN where it is, costs shows where a "
        f"call is short ({extra_us:.0f} µs of the shortest of these)."
    )


def _compiled(rows: Sequence[Row]) -> Iterator[str]:
    found: dict[str, list[float]] = {}
    for row in rows:
        if row.provider == COMPILED:
            found.setdefault(row.op, []).append(row.times_ours)
    if OP in found:
        yield f"`torch.compile` takes {_range(found[OP])} of our time for the forward pass, compiled for its size."
    if SERVED in found:
        yield (
            f"Compiled for any size, as a server would need it, it takes {_range(found.pop(SERVED))} of our time; why "
            "it does not serve stands on the page of the [forward pass](../docs/kernels/forward.md)."
        )
    found.pop(OP, None)
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
    least, most = f"{min(ratios):.2f}", f"{max(ratios):.2f}"
    return least if least == most else f"{least} to {most}"
