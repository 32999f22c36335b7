"""How fast user refresh works off a backlog: histories alone, then histories and rows.

Beside it, repeat by repeat, a bare aiokafka loop makes the same history writes from the same records. Both are
measured from their first effect to their last, so that starting does not count.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import redis

from benchmarks.activity import clicks, send_all, users
from benchmarks.agent import Agent
from benchmarks.figure import Figure, Table, Target
from benchmarks.releases import catalogue, make_live, write_release
from benchmarks.servers import Servers, forget_group, running_servers
from benchmarks.spread import Spread
from cache.store import HistoryEvent, HistoryUpdate
from inference.history import encode_event
from inference.release import Release
from runtime.clock import SystemClock
from runtime.ids import UserId
from streams.wire.producer import Producer
from streams.wire.topics import Topic

TARGET = 8_000
NUM_ITEMS = 2_000
AGENT, GROUP = "user_refresh", "solaris.user-refresh"
EVENTS = "solaris_agent_effects_total{history_events}"
REFRESHES = "solaris_agent_effects_total{user_refreshes}"
RUN_TIMEOUT_S = 600.0
REFRESH_WINDOW_S = 15.0
OLD_MS = 3_600_000  # events that were there before the backlog

Measured = dict[str, float]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--events", type=int, default=100_000, help="of the backlog (default %(default)s)")
    parser.add_argument("--users", type=int, default=5_000, help="who did it (default %(default)s)")
    parser.add_argument("--history", type=int, default=64, help="events of users refreshed (default %(default)s)")


def measure(args: argparse.Namespace) -> Figure:
    """Histories by the agent and by the bare loop in turn, then rows."""
    items, everybody = catalogue(NUM_ITEMS), users(args.users)
    with running_servers() as servers:
        release = write_release(servers.folder / "releases", items)
        producer = Producer(servers.kafka, source="solaris/benchmarks")
        events = clicks(args.events, everybody, list(items))
        send_all(producer, ((Topic.USER_ACTIVITY, event) for event in events))
        producer.close()
        agent, bare, rows = [], [], []
        for repeat in range(args.repeats):
            asyncio.run(_empty(servers, release))
            agent.append(_run_agent(servers, args.events))
            asyncio.run(_empty(servers, release))
            bare.append(_run_bare(servers, f"bare-{repeat}", args.events))
        for _ in range(args.repeats):
            asyncio.run(_empty(servers, release))
            asyncio.run(_make_active(servers, everybody, args.history))
            rows.append(_run_refreshes(servers))
    return _figure(args, agent, bare, rows)


async def _empty(servers: Servers, release: Release) -> None:
    """An empty store with the release live."""
    with redis.Redis.from_url(servers.redis.url) as client:
        client.flushall()
        client.config_resetstat()
    store = servers.store()
    try:
        await make_live(store, release, servers.folder / "releases")
    finally:
        await store.close()


async def _make_active(servers: Servers, everybody: Sequence[UserId], num_events: int) -> None:
    """Everybody has a history and a retrieval just now."""
    store, now_ms = servers.store(), SystemClock().now_ms()
    try:
        for user in everybody:
            past = clicks(num_events, [user], list(catalogue(NUM_ITEMS)), seed=hash(user) % 1000)
            events = [
                HistoryEvent(f"past-{n}", now_ms - OLD_MS + n, 0, encode_event(event)) for n, event in enumerate(past)
            ]
            await store.apply_activity([HistoryUpdate(user, events)])
        await store.touch_active(dict.fromkeys(everybody, now_ms))
    finally:
        await store.close()


def _run_agent(servers: Servers, num_events: int) -> Measured:
    agent = Agent(AGENT, servers.env, servers.folder / "log")
    try:
        looks = agent.watch(EVENTS, num_events, RUN_TIMEOUT_S)
        facts = agent.metrics()
    finally:
        agent.stop()
    forget_group(servers.kafka.bootstrap, GROUP)
    # From the first look that shows an effect to the last before the end: both while it was working.
    working = [look for look in looks if 0 < look.value < num_events] + looks[-1:]
    first, last = working[0], working[-2]
    return {
        "all_events": looks[-1].value,
        "events": last.value - first.value,
        "seconds": last.at_s - first.at_s,
        "cpu_s": last.cpu_s - first.cpu_s,
        "decode_s": facts["solaris_agent_decode_seconds_total"],
        "write_s": facts["solaris_agent_effect_seconds_sum"],
        "batches": facts["solaris_agent_batches_total"],
    } | _script_time(servers)


def _run_bare(servers: Servers, group: str, num_events: int) -> Measured:
    command = [sys.executable, "-m", "benchmarks.bare_loop", "--kafka", servers.kafka.bootstrap]
    command += ["--redis", servers.redis.url, "--group", group, "--events", str(num_events)]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=RUN_TIMEOUT_S, check=True)
    measured: Measured = json.loads(answer.stdout)
    return measured | _script_time(servers)


def _run_refreshes(servers: Servers) -> Measured:
    agent = Agent(AGENT, servers.env, servers.folder / "log")
    try:
        first = agent.watch(REFRESHES, 1, RUN_TIMEOUT_S)[-1]
        time.sleep(REFRESH_WINDOW_S)
        last = agent.look(REFRESHES)
    finally:
        agent.stop()
    forget_group(servers.kafka.bootstrap, GROUP)
    return {"refreshes": last.value - first.value, "seconds": last.at_s - first.at_s, "cpu_s": last.cpu_s - first.cpu_s}


def _script_time(servers: Servers) -> Measured:
    """Seconds that the server spent in scripts."""
    with redis.Redis.from_url(servers.redis.url) as client:
        stats: Any = client.info("commandstats")  # Any: redis-py's own
        return {"script_s": stats.get("cmdstat_evalsha", {}).get("usec", 0) / 1e6}


def _rates(runs: Sequence[Measured], what: str) -> list[float]:
    return [run[what] / run["seconds"] for run in runs]


def _figure(
    args: argparse.Namespace, agent: Sequence[Measured], bare: Sequence[Measured], rows: Sequence[Measured]
) -> Figure:
    ours, theirs = _rates(agent, "events"), _rates(bare, "events")
    rate = Spread.over(ours)
    ratio = Spread.over([bare_rate / rate for rate, bare_rate in zip(ours, theirs, strict=True)])
    refreshed = Spread.over(_rates(rows, "refreshes"))
    return Figure(
        title="Agent throughput",
        settings={"events": args.events, "users": args.users, "history": args.history, "repeats": args.repeats},
        targets=[
            Target(
                f"at least {TARGET:,} activity events a second into histories",
                f"{rate.text(0)} events/s",
                rate.median >= TARGET,
            )
        ],
        tables=[
            Table(
                ["", "per second", "in all"],
                [
                    ["user refresh, events into histories", rate.text(0), f"{args.events:,} events"],
                    ["bare aiokafka loop, the same writes", Spread.over(theirs).text(0), f"{args.events:,} events"],
                    ["bare loop to agent, ratio", ratio.text(), ""],
                    [
                        f"user refresh, rows of active users (histories of {args.history} and more)",
                        refreshed.text(0),
                        f"{REFRESH_WINDOW_S:.0f} s",
                    ],
                ],
                notes=[f"{args.users:,} users, one worker, one process; median of {args.repeats} repeats (range)."],
            ),
            _shares(agent, bare),
        ],
        raw={"agent": list(agent), "bare": list(bare), "rows": list(rows)},
    )


def _shares(agent: Sequence[Measured], bare: Sequence[Measured]) -> Table:
    """Microseconds an event, by where they went; the rest is the way from the broker into the loop."""

    def per_event(runs: Sequence[Measured], name: str) -> str:
        of = "events" if name in ("seconds", "cpu_s") else "all_events"
        return Spread.over([run[name] / run[of] * 1e6 for run in runs]).text(0)

    def rest(runs: Sequence[Measured]) -> str:
        left = [r["seconds"] / r["events"] - (r["decode_s"] + r["write_s"]) / r["all_events"] for r in runs]
        return Spread.over(left).scaled(1e6).text(0)

    return Table(
        ["microseconds an event", "agent", "bare loop"],
        [
            ["decoding", per_event(agent, "decode_s"), per_event(bare, "decode_s")],
            ["writing (waiting for the store included)", per_event(agent, "write_s"), per_event(bare, "write_s")],
            ["of it: inside the store's scripts", per_event(agent, "script_s"), per_event(bare, "script_s")],
            ["the rest: fetching, Faust's stream, metrics, commits", rest(agent), rest(bare)],
            ["in all", per_event(agent, "seconds"), per_event(bare, "seconds")],
            ["the process's own processor time", per_event(agent, "cpu_s"), per_event(bare, "cpu_s")],
        ],
        "Where the time goes",
    )
