"""What the demo prints: plain lines, the same on a terminal and in a log."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from inference.serving.schema import RankAnswer
from local.demo.traffic import Tally
from streams.lag.seconds import in_words

KindOf = Callable[[str], str]
QUALITY_LEGEND = [
    "    lower is better: log loss, norm. entropy (log loss over that of the base rate)",
    "    1 is best: calibration (predicted over actual clicks), auc and gauc (auc within each user; 0.5 is chance)",
]
SOURCES = ("pair", "aggregate", "neighbour", "default")


def slate_lines(answer: RankAnswer, kind_of: KindOf, num_items: int) -> list[str]:
    """The top of a slate as a table: score, source and age of each item; then what the whole answer stands on."""
    lines = [f"    {'#':>2}  {'item':>6}  {'kind':<9} {'score':>7}  {'pair from':<10} {'pair age':>8}"]
    for place, item in enumerate(answer.items[:num_items], 1):
        age = "-" if item.age_ms is None else _age(item.age_ms)
        lines.append(
            f"    {place:>2}  {item.item_id:>6}  {kind_of(item.item_id):<9} {item.score:>7.4f}  {item.source:<10} "
            f"{age:>8}"
        )
    user, behind = answer.user, "unknown" if answer.behind_ms is None else f"{answer.behind_ms} ms"
    age = "-" if user.age_ms is None else _age(user.age_ms)
    degraded = ", ".join(answer.degraded) or "nothing"
    lines.append(f"    user row: {user.source}, age {age}; pipeline behind by {behind}; degraded: {degraded}")
    lines.append(f"    release {answer.version}")
    return lines


def _age(age_ms: int) -> str:
    return f"{age_ms / 1000:.1f} s" if age_ms < 120_000 else f"{age_ms / 60_000:.1f} min"


def mean_place(answer: RankAnswer, kind: str, kind_of: KindOf) -> float:
    """The mean place of the items of one kind in a full ranking, 1 is best."""
    return float(np.mean([place for place, item in enumerate(answer.items, 1) if kind_of(item.item_id) == kind]))


def percentiles_line(name: str, seconds: Sequence[float]) -> str:
    """p50 and p99 in milliseconds, with how many were measured."""
    if not seconds:
        return f"    {name}: nothing measured"
    p50, p99 = np.percentile(seconds, [50, 99]) * 1000
    return f"    {name}: p50 {p50:.0f} ms, p99 {p99:.0f} ms ({len(seconds)} measured)"


def tally_lines(tally: Tally) -> list[str]:
    """Coverage by tier, sources of the user row, and what went wrong."""
    total = sum(tally.item_sources.values()) or 1
    tiers = ", ".join(f"{source} {tally.item_sources[source] / total:.0%}" for source in SOURCES)
    users = ", ".join(f"{source} {count / max(tally.answers, 1):.0%}" for source, count in tally.user_sources.items())
    refused = ", ".join(f"{name} {count}" for name, count in tally.failures.items()) or "none"
    degraded = ", ".join(f"{name} {count}" for name, count in tally.degraded.items()) or "none"
    return [
        f"    pair representation: {tiers}  (neighbour: not built yet)",
        f"    user representation: {users}",
        f"    {tally.answers} answers; degraded: {degraded}; refused or failed beside them: {refused}",
        f"    clicks per shown item: {tally.num_clicks / max(tally.num_shown, 1):.3f}",
    ]


def lag_lines(groups: Sequence[Mapping[str, Any]]) -> list[str]:  # Any: JSON
    """A table of our groups in the lag monitor's report."""
    ours = [group for group in groups if str(group["group"]).startswith("solaris.")]
    return [f"    {'group':<24} {'verdict':<8} {'lag (records)':>13} {'oldest waiting':>15}"] + [
        f"    {group['group']:<24} {group['verdict']:<8} {group['lag']:>13} {in_words(group['seconds']):>15}"
        for group in ours
    ]
