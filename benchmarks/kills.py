"""Agents killed with SIGKILL at random while events flow; then the store is held against a plain replay.

Events come out of order, some come twice, and many users have more of them than a history keeps. When all is sent and
worked off, the store must be what an in-order replay gives; then it is emptied, rebuilt, and must be that again.
"""

import argparse
import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import redis

from benchmarks.activity import click, send_all, users
from benchmarks.agent import Agent
from benchmarks.checker import Verdict, check
from benchmarks.figure import Figure, Table, Target
from benchmarks.releases import catalogue, make_live, write_release
from benchmarks.servers import Servers, running_servers
from cache.limits import DEFAULT_HISTORY_LENGTH
from cache.store import ReleaseState
from inference.release import Release
from inference.release_log import release_events
from local.process import tail
from runtime.clock import SystemClock
from runtime.ids import ItemId, UserId
from streams.wire.events import Event, ItemUpdate, Retrieval
from streams.wire.producer import Producer
from streams.wire.topics import TOPICS, Topic

NUM_ITEMS = 300
EVENTS_PER_USER = 200  # more than a history keeps
TWICE = 0.02  # of the events are sent again later
OUT_OF_ORDER_MS = 600_000  # event times go back as far as this
ITEM_EVERY = 50  # activity events between two item updates
KILL_S = (2.0, 4.0)  # the pause before the next kill
START_S = 120.0
SETTLE_S = 300.0
KILLED = ("user_refresh", "item_inference")
WATCHED = (Topic.USER_ACTIVITY, Topic.RETRIEVAL_EVENTS, Topic.ITEM_UPDATES)
WORKS = "solaris_agent_batches_total"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.set_defaults(repeats=1)
    parser.add_argument("--events", type=int, default=100_000, help="of activity (default %(default)s)")
    parser.add_argument("--seconds", type=float, help="to spread them over (default: 1000 a second, at least 15 s)")
    parser.add_argument("--seed", type=int, default=0, help="of events and kills (default %(default)s)")


def measure(args: argparse.Namespace) -> Figure:
    """Every repeat on fresh servers, with the next seed."""
    seconds = args.seconds or max(args.events / 1000, 15.0)
    outcomes = [run(args.events, seconds, args.seed + repeat) for repeat in range(args.repeats)]
    lost = sum(verdict.lost_events for outcome in outcomes for verdict in outcome.verdicts.values())
    rows = [
        [name, f"{v.events:,}", f"{v.lost_events}", *(f"{n:,}" for n in (v.users, v.user_rows, v.items)), _wrong(v)]
        for outcome in outcomes
        for name, v in outcome.verdicts.items()
    ]
    sound = all(verdict.right for outcome in outcomes for verdict in outcome.verdicts.values())
    differences = [verdict.largest_difference for outcome in outcomes for verdict in outcome.verdicts.values()]
    return Figure(
        title="Kills and rebuild",
        settings={"events": args.events, "seconds": seconds, "repeats": args.repeats, "seed": args.seed},
        targets=[Target("no effect lost, the store equal to a plain in-order replay", f"{lost} lost", sound)],
        tables=[
            Table(
                ["after", "events", "lost", "histories", "user rows", "items", "wrong"],
                rows,
                notes=[
                    f"{', '.join(str(len(o.kills)) for o in outcomes)} kills with SIGKILL, of {' and '.join(KILLED)}, "
                    f"each while it was working; largest difference of a value {max(differences):.1e}; worked off "
                    f"{', '.join(f'{o.settled_s:.0f}' for o in outcomes)} s after the last event.",
                    f"Rebuild took {', '.join(f'{o.rebuilt_s:.0f}' for o in outcomes)} s, imports included.",
                ],
            )
        ],
        raw={"outcomes": [o.facts() for o in outcomes]},
        sound=sound,
    )


@dataclass(slots=True)
class Outcome:
    """One run: who was killed when (seconds from the first event), how long the rest took, and what was found."""

    kills: list[tuple[float, str]] = field(default_factory=list)
    settled_s: float = 0.0
    rebuilt_s: float = 0.0
    verdicts: dict[str, Verdict] = field(default_factory=dict)

    def facts(self) -> dict[str, object]:
        verdicts = {name: verdict.summary() for name, verdict in self.verdicts.items()}
        return {"kills": self.kills, "settled_s": self.settled_s, "rebuilt_s": self.rebuilt_s, "verdicts": verdicts}


def run(num_events: int, seconds: float, seed: int = 0) -> Outcome:
    """Feed, kill, settle, check; then empty, rebuild, check."""
    outcome, everybody = Outcome(), users(max(num_events // EVENTS_PER_USER, 10))
    active = everybody[::2]
    with running_servers() as servers:
        items = catalogue(NUM_ITEMS)
        release = write_release(servers.folder / "releases", items)
        producer = Producer(servers.kafka, source="solaris/benchmarks")
        asyncio.run(_publish(servers, release, producer))
        send_all(producer, _first(active, list(items)))
        agents = {name: Agent(name, servers.env, servers.folder / "log") for name in KILLED}
        try:
            for name in KILLED:
                agents[name].watch(WORKS, 1, START_S)
            _feed_and_kill(
                servers, producer, _stream(num_events, everybody, list(items), seed), seconds, agents, outcome
            )
            producer.close()
            outcome.settled_s = asyncio.run(_settle(servers))
        finally:
            for agent in agents.values():
                agent.stop()
        outcome.verdicts["kills"] = asyncio.run(_check(servers, release, active))
        with redis.Redis.from_url(servers.redis.url) as client:
            client.flushall()
        started_s = time.monotonic()
        command = [sys.executable, "-m", "streams", "rebuild"]
        subprocess.run(command, env={**os.environ, **servers.env}, check=True, timeout=SETTLE_S, capture_output=True)
        outcome.rebuilt_s = time.monotonic() - started_s
        outcome.verdicts["rebuild of an emptied store"] = asyncio.run(_check(servers, release, active))
    return outcome


async def _publish(servers: Servers, release: Release, producer: Producer) -> None:
    """Live in the store, and in the log that a rebuild restores it from."""
    store = servers.store()
    try:
        await make_live(store, release, servers.folder / "releases")
        state = await store.read_release(release.model_version.model)
    finally:
        await store.close()
    events = release_events(release.model_version.model, ReleaseState(), state)
    send_all(producer, ((Topic.MODEL_RELEASES, event) for event in events))


def _first(active: Sequence[UserId], items: Sequence[ItemId]) -> Iterator[tuple[Topic, Event]]:
    """Every item once, and a retrieval of every second user."""
    yield from ((Topic.ITEM_UPDATES, _update(item, 0)) for item in items)
    for user in active:
        now_ms = SystemClock().now_ms()
        event = Retrieval(
            event_id=f"retrieval-{user}", event_time_ms=now_ms, type="started", request_id=f"r-{user}", user_id=user
        )
        yield Topic.RETRIEVAL_EVENTS, event


def _stream(
    number: int, everybody: Sequence[UserId], items: Sequence[ItemId], seed: int
) -> Iterator[tuple[Topic, Event]]:
    """`number` activity events, some of them again, and item updates between them."""
    chance, clock = random.Random(seed), SystemClock()
    waiting: list[tuple[Topic, Event]] = []
    for n in range(number):
        time_ms = clock.now_ms() - int(chance.random() * OUT_OF_ORDER_MS)
        event = click(f"click-{seed}-{n}", chance.choice(everybody), chance.choice(items), time_ms)
        yield Topic.USER_ACTIVITY, event
        if chance.random() < TWICE:
            waiting.append((Topic.USER_ACTIVITY, event))
        if n % ITEM_EVERY == 0:
            waiting.append((Topic.ITEM_UPDATES, _update(chance.choice(items), n)))
        if len(waiting) > 20:
            yield waiting.pop(chance.randrange(len(waiting)))
    yield from waiting


def _update(item: ItemId, number: int) -> ItemUpdate:
    features = {**catalogue(NUM_ITEMS)[item], "price": 1.0 + number % 90}
    return ItemUpdate(
        event_id=f"update-{item}-{number}", event_time_ms=SystemClock().now_ms(), item_id=item, features=features
    )


def _feed_and_kill(
    servers: Servers,
    producer: Producer,
    stream: Iterator[tuple[Topic, Event]],
    seconds: float,
    agents: dict[str, Agent],
    outcome: Outcome,
) -> None:
    """Send the stream evenly over `seconds`; meanwhile kill whoever works, and start it again at once."""
    events, chance = list(stream), random.Random(len(outcome.kills))
    started_s = time.monotonic()
    next_kill_s, sent = chance.uniform(*KILL_S), 0
    while sent < len(events):
        time.sleep(0.05)
        now_s = time.monotonic() - started_s
        due = min(len(events), int(len(events) * now_s / seconds) + 1)
        send_all(producer, events[sent:due])
        sent = due
        if now_s >= next_kill_s:
            working = [name for name, agent in agents.items() if agent.metrics().get(WORKS, 0) > 0]
            if working:
                name = chance.choice(working)
                agents[name].child.kill()
                agents[name] = Agent(name, servers.env, servers.folder / "log")
                outcome.kills.append((round(now_s, 1), name))
                next_kill_s = now_s + chance.uniform(*KILL_S)


async def _settle(servers: Servers) -> float:
    """Seconds until the agents say, by their watermarks, that all that was sent is in."""
    store, sent_ms, started_s = servers.store(), SystemClock().now_ms(), time.monotonic()
    try:
        while time.monotonic() - started_s < SETTLE_S:
            marks = await store.read_watermarks(WATCHED)
            mine = [marks.get(topic, {}).get(p, 0) for topic in WATCHED for p in range(TOPICS[topic].num_partitions)]
            if min(mine) >= sent_ms:
                return time.monotonic() - started_s
            await asyncio.sleep(0.25)
    finally:
        await store.close()
    logs = "\n".join(tail(path, 40) for path in sorted((servers.folder / "log").iterdir()))
    raise TimeoutError(f"the agents have not caught up within {SETTLE_S:.0f} s; watermarks {mine}:\n{logs}")


async def _check(servers: Servers, release: Release, active: Sequence[UserId]) -> Verdict:
    store = servers.store()
    try:
        return await check(store, servers.kafka, release, active, DEFAULT_HISTORY_LENGTH)
    finally:
        await store.close()


def _wrong(verdict: Verdict) -> str:
    return str(len(verdict.wrong_histories) + len(verdict.wrong_user_rows) + len(verdict.wrong_items))
