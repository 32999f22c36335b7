"""An evaluation as a table for people."""

from typing import Any

COLUMNS = ("log_loss", "normalised_entropy", "calibration", "auc", "gauc")


def table(report: dict[str, Any]) -> str:
    """The report of `evaluate` as lines of text; the best log loss is at the bottom."""
    lines = [
        f"{report['rows']} rows of {report['users']} users, {report['slots']} slots of the later period, "
        f"base rate {report['rate']:.4f}",
        *_quality(report["quality"]),
    ]
    lines.append("log loss gained (95 % interval, bootstrap over users)")
    lines += [f"  {name:50} {_interval(gain)}" for name, gain in report["gains"].items()]
    ratio = report["transfer_ratio"]
    lines.append(f"  {'transfer ratio':50} {ratio if isinstance(ratio, str) else _interval(ratio)}")
    lines += _surface(report.get("surface", []))
    if "liked" in report:
        lines += _liked(report["liked"])
    if "explored" in report:
        lines += _explored(report["explored"])
    if "note" in report:
        lines.append(report["note"])
    return "\n".join(lines)


def _quality(quality: dict[str, Any]) -> list[str]:
    """A head, and a line for each order, the best log loss at the bottom."""
    head = f"{'':28}" + "".join(f"{name.replace('normalised_entropy', 'norm. entropy'):>15}" for name in COLUMNS)
    by_loss = sorted(quality.items(), key=lambda entry: -(entry[1]["log_loss"] or 0.0))
    return [head] + [
        f"{name:28}" + "".join(f"{_number(values[column]):>15}" for column in COLUMNS) for name, values in by_loss
    ]


def _surface(points: list[dict[str, Any]]) -> list[str]:
    """A line for each lag, a column for each share of the candidates that have their pair row."""
    if not points:
        return []
    coverages = sorted({point["coverage"] for point in points}, reverse=True)
    found = {(point["lag"], point["coverage"]): _point(point) for point in points}
    head = f"  {'pair rows: log loss (transfer ratio)':50}" + "".join(f"{f'for {c:.0%}':>26}" for c in coverages)
    lags = dict.fromkeys(point["lag"] for point in points)
    return [head] + [f"    {lag:48}" + "".join(f"{found[lag, c]:>26}" for c in coverages) for lag in lags]


def _point(point: dict[str, Any]) -> str:
    ratio = point["transfer_ratio"]
    return f"{_number(point['log_loss'])} ({ratio if isinstance(ratio, str) else format(ratio['value'], '.2f')})"


def _explored(report: dict[str, Any]) -> list[str]:
    lines = [f"of these in slots filled by chance: {report['rows']} rows, {report['clicks']} clicks"]
    if "too_few" in report:
        return [f"{lines[0]}; {report['too_few']}"]
    return [*lines, *_quality(report["quality"])]


def _liked(report: dict[str, Any]) -> list[str]:
    aucs = ", ".join(f"{name} {_number(values['auc'])}" for name, values in report["quality"].items())
    (gain,) = report["gains"].values()
    ratio = report["transfer_ratio"]
    return [
        f"another question, whether the item was rated above the user's mean: {report['rows']} rows, AUC {aucs}",
        f"  {'log loss gained by the foundation model':50} {_interval(gain)}",
        f"  {'transfer ratio':50} {ratio if isinstance(ratio, str) else _interval(ratio)}",
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _interval(gain: dict[str, float]) -> str:
    return f"{gain['value']:8.4f} [{gain['low']:.4f}, {gain['high']:.4f}]"
