"""`python -m streams lag`: how far each consumer group is behind, once or as a page."""

import argparse
import json
import sys
import time
from dataclasses import replace

from runtime.environment import load
from runtime.logs import setup
from runtime.settings import KafkaSettings, kafka_settings
from streams.admin import AdminError
from streams.lag.append_times import AppendTimes
from streams.lag.groups import AGENT_TOPICS
from streams.lag.history import LagHistory
from streams.lag.reader import LagReader
from streams.lag.report import GroupLag, LagReport
from streams.lag.rules import Verdict
from streams.lag.seconds import in_words
from streams.lag.settings import LagSettings
from streams.wire.reach import reach
from streams.wire.topics import Topic

PAUSE_S = 0.5


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "lag",
        description="Show how far each consumer group is behind: records not committed yet, how long the oldest has "
        "been waiting, and a verdict from how both move: ok, absent (nothing waits, and nobody is there to read), "
        "slow, stalled or stopped. A healthy agent shows a lag of its rate times the commit interval. Without --serve, "
        "status 1 if one of our agents is absent, stalled or stopped.",
    )
    parser.add_argument("--watch-s", type=float, default=3.0, metavar="S", help="look this long before judging (3)")
    parser.add_argument("--partitions", action="store_true", help="a line for each partition as well")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--serve", action="store_true", help="be the monitor: page, /lag, /metrics until SIGTERM")
    parser.add_argument("--host", help="where --serve listens (SOLARIS_LAG_HOST, else 127.0.0.1)")
    parser.add_argument("--port", type=int, help="where --serve listens (SOLARIS_LAG_PORT, else 8001)")


def run(args: argparse.Namespace) -> int:
    """Status 0; 1 if one of our agents is absent, stalled or stopped, or the broker refuses the question."""
    settings = load(LagSettings, "SOLARIS_LAG")
    if args.serve:
        from streams.lag.server import serve

        setup("lag")
        given = {name: getattr(args, name) for name in ("host", "port") if getattr(args, name) is not None}
        return serve(kafka_settings(), replace(settings, **given))
    try:
        report = watch(reach(kafka_settings()), max(0.0, args.watch_s), settings.broker_timeout_s)
    except AdminError as error:
        print(f"lag: {error}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps(report.to_json()))
    else:
        print(table(report, partitions=args.partitions))
    return status(report)


def watch(kafka: KafkaSettings, watch_s: float, timeout_s: float) -> LagReport:
    """The report after readings over `watch_s`; raises AdminError."""
    reader = LagReader(kafka, timeout_s=timeout_s)
    times = AppendTimes(kafka)
    try:
        history = LagHistory(window_s=max(watch_s, PAUSE_S), history_s=max(watch_s, PAUSE_S), lookup=times.lookup)
        report = history.add(reader.read())
        first_s = report.time_s
        while report.time_s - first_s < watch_s:
            time.sleep(PAUSE_S)
            report = history.add(reader.read())
        return report
    finally:
        times.close()


def status(report: LagReport) -> int:
    """1 if one of our agents is absent, stalled or stopped; other groups on the broker are not ours to judge."""
    bad = (Verdict.ABSENT, Verdict.STALLED, Verdict.STOPPED)
    return int(any(group.verdict in bad for group in report.groups if group.group in AGENT_TOPICS))


def table(report: LagReport, *, partitions: bool = False) -> str:
    """The report as aligned lines."""
    header = ("group", "verdict", "lag (records)", "oldest waiting", "members", "lag by topic")
    rows = [header]
    for group in report.groups:
        seconds = in_words(group.seconds)
        rows.append((group.group, group.verdict, str(group.lag), seconds, str(group.num_members), _behind(group)))
        if partitions:
            rows += [
                (f"  {p.topic}/{p.partition}", p.verdict, str(p.lag), in_words(p.seconds), "", "")
                for p in group.partitions
            ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _behind(group: GroupLag) -> str:
    lags: dict[str, int] = {}
    for partition in group.partitions:
        lags[partition.topic] = lags.get(partition.topic, 0) + partition.lag
    order = {topic.value: index for index, topic in enumerate(Topic)}
    behind = sorted((topic for topic, lag in lags.items() if lag), key=lambda topic: order.get(topic, len(order)))
    return ", ".join(f"{topic} {lags[topic]}" for topic in behind)
