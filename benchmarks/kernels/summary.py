"""A run on a GPU in a few lines: the gate, how far the grid came, and the goals with what was measured of each."""

from collections.abc import Iterator, Sequence

from benchmarks.kernels.case import OURS, Case
from benchmarks.kernels.device_gate import Gate
from benchmarks.kernels.failures import Failure
from benchmarks.kernels.one_run import NOT_MEASURED
from benchmarks.kernels.ops.ranker_forward import MODELS_ARE
from benchmarks.kernels.report import FORWARD, mfu
from benchmarks.kernels.results import Machine, Row, by_shape

GOAL_MFU = 0.45
GOAL_FORWARD_MS = 1.0
GOAL_LCE_MS = 0.50
LARGE, FP8, STANDARD_1000 = "gpu-large ", " fp8", "gpu-standard N=1000 B=1"
LCE, PUBLISHED = "broadcast_lce", "N=1024 M=433 d=256 K=866 K_request=1178 B=15"


def summary(
    gate: Gate | None, cases: Sequence[Case], rows: Sequence[Row], failures: Sequence[Failure], machine: Machine
) -> str:
    """The text. `gate`, `rows` and `failures` are those of `machine`; `cases` all that there are."""
    lines = [f"Kernels on {machine.machine}, {machine.date}, {machine.code}", ""]
    lines += [f"gate: {_verdict(gate)}", *_progress(cases, rows, failures), "", "goals:"]
    lines += [f"- {line}" for line in _goals(cases, rows)]
    lines += ["", f"models: {MODELS_ARE}"]
    return "\n".join(lines) + "\n"


def _verdict(gate: Gate | None) -> str:
    if gate is None:
        return "no result: it was not run or did not come to an end"
    return f"{'passed' if gate.passed else 'FAILED'} ({gate.counts})"


def _progress(cases: Sequence[Case], rows: Sequence[Row], failures: Sequence[Failure]) -> Iterator[str]:
    measured = {key: by_provider.keys() for key, by_provider in by_shape(rows)}
    open_cases = [case for case in cases if not case.providers.keys() <= set(measured.get(case.key, ()))]
    errors = {failure.key: failure.error for failure in failures}
    failed = [case for case in open_cases if case.key in errors]
    left = [case for case in open_cases if case.key not in errors]
    done = len(cases) - len(open_cases)
    yield f"cases: {done} of {len(cases)} done, {len(left)} left, {len(failed)} failed"
    for case in failed:
        yield f"  failed: {case.op} {case.shape}: {errors[case.key]}"
    if left:
        names = dict.fromkeys(case.op for case in left)
        counts = ", ".join(f"{name} {sum(case.op == name for case in left)}" for name in names)
        yield f"  left, in whole or in part: {counts}; run it again"


def _goals(cases: Sequence[Case], rows: Sequence[Row]) -> Iterator[str]:
    yield f"forward of gpu-large above {GOAL_MFU:.0%} of the datasheet's dense bf16 peak: {_large(cases, rows)}"
    forward = _ours(rows, FORWARD, STANDARD_1000)
    in_time = f"{_ms(forward)} ({_reached(forward.ms < GOAL_FORWARD_MS)})" if forward else NOT_MEASURED
    yield f"1,000 candidates on gpu-standard under {GOAL_FORWARD_MS:g} ms of GPU time: {in_time}"
    yield f"broadcast LCE on the published shape in {GOAL_LCE_MS:.2f} ms or less: {_compression(rows)}"


def _large(cases: Sequence[Case], rows: Sequence[Row]) -> str:
    work = {case.shape: case.work for case in cases if case.op == FORWARD and case.shape.startswith(LARGE)}
    found = {shape: row for shape in work if (row := _ours(rows, FORWARD, shape))}
    if not found:
        return NOT_MEASURED
    shares = {shape: share for shape, row in found.items() if (share := mfu(work[shape], row)) is not None}
    if not shares:
        return f"{NOT_MEASURED}: the peak of {next(iter(found.values())).machine} is not known here"
    plain = {shape: share for shape, share in shares.items() if not shape.endswith(FP8)}
    each = ", ".join(f"{share:.1%} at {shape.removeprefix(LARGE)}" for shape, share in shares.items())
    # Eight bits have twice the peak: their share of this one is told, and does not count.
    return f"{each} ({_reached(max(plain.values(), default=0.0) > GOAL_MFU)})"


def _compression(rows: Sequence[Row]) -> str:
    ours = _ours(rows, LCE, PUBLISHED)
    if ours is None:
        return NOT_MEASURED
    trials = [row for row in rows if (row.op, row.shape) == (LCE, PUBLISHED) and row.provider.startswith(f"{OURS}, ")]
    best = min(trials, key=lambda row: row.ms, default=ours)
    faster = f"; {best.provider}: {_ms(best)}" if best.ms < ours.ms else ""
    return f"{_ms(ours)} ({_reached(ours.ms <= GOAL_LCE_MS)}){faster}"


def _ours(rows: Sequence[Row], op: str, shape: str) -> Row | None:
    return next((row for row in rows if (row.op, row.shape, row.provider) == (op, shape, OURS)), None)


def _ms(row: Row) -> str:
    return f"{row.ms:.3f} ms"


def _reached(yes: bool) -> str:
    return "reached" if yes else "not reached"
