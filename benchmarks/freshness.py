"""From producing an event to an answer that includes it, with the whole stack running and busy.

Open loop: activity of many users at a fixed rate, ranking requests of others at another, whatever the answers take.
Meanwhile marked clicks are sent by users of their own, and each is asked for over HTTP until `user.as_of_ms` of the
ranked answer has reached it.
"""

import argparse
import asyncio
import itertools
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.activity import click, clicks, send_all, users
from benchmarks.figure import Figure, Table, Target
from benchmarks.releases import catalogue, make_live, write_release
from benchmarks.spread import Spread, percentiles
from cache.redis_store import Profile, RedisStore
from inference.client import RankClient, RankerUnreachable, RankFailed
from inference.release import Release
from inference.serving.schema import OfferedItem, PrepareRequest, RankRequest
from local.ports import free_port
from local.settings import LocalSettings
from local.stack import Stack
from runtime.clock import SystemClock
from runtime.ids import ItemId, UserId
from runtime.settings import KafkaSettings, RedisSettings
from streams.wire.events import Candidate, ItemUpdate, Retrieval
from streams.wire.producer import Producer
from streams.wire.topics import Topic

TARGET_S = 0.5
NUM_ITEMS = 2_000
NUM_MARKED = 200  # users who send marked clicks and nothing else
PAST = 20  # clicks that each of them has behind it
TICK_S = 0.01
POLL_S = 0.01
GIVE_UP_S = 10.0
WARM_UP_S = 5.0
DEADLINE_MS = 2_000
CANDIDATES, SLATE = 100, 12
FILL_S = 120.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--rate", type=float, default=500.0, help="activity events a second (default %(default)s)")
    parser.add_argument("--requests", type=float, default=8.0, help="ranking requests a second (default %(default)s)")
    parser.add_argument("--marks", type=float, default=5.0, help="marked clicks a second (default %(default)s)")
    parser.add_argument("--users", type=int, default=5_000, help="who act (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=40.0, help="of each repeat (default %(default)s)")


def measure(args: argparse.Namespace) -> Figure:
    """One stack, several repeats."""
    with tempfile.TemporaryDirectory(prefix="solaris-bench-", ignore_cleanup_errors=True) as folder:
        repeats = asyncio.run(_measure(args, Path(folder)))
    fresh = percentiles([repeat.fresh_s for repeat in repeats])
    ranked = percentiles([repeat.ranked_s for repeat in repeats]) if args.requests else {}
    never = sum(repeat.never for repeat in repeats)
    p99 = fresh["p99"]
    rows = [["event to servable", *(spread.scaled(1000).text(0) for spread in fresh.values())]]
    if ranked:
        rows.append([f"POST /v1/rank, {CANDIDATES} candidates", *(s.scaled(1000).text(0) for s in ranked.values())])
    sources = sum((r.sources for r in repeats), Counter[str]())
    failed = sum((r.failed for r in repeats), Counter[str]())
    return Figure(
        title="Event to servable",
        settings={name: getattr(args, name) for name in ("rate", "requests", "marks", "users", "seconds", "repeats")},
        targets=[
            Target(
                f"p99 at most {TARGET_S} s at {args.rate:g} events/s, the whole stack running",
                f"{p99.text(3)} s",
                p99.median <= TARGET_S and not never,
            )
        ],
        tables=[
            Table(
                ["ms", *fresh],
                rows,
                notes=[
                    f"{len(repeats)} repeats; {never} of {sum(len(r.fresh_s) for r in repeats)} clicks not servable "
                    f"within {GIVE_UP_S:.0f} s; sent {Spread.over([r.rate for r in repeats]).text(0)} events/s and "
                    f"{args.requests:g} ranking requests/s; requests that failed: {_counted(failed)}.",
                    f"The user's row of the first answers that included a click was {_counted(sources)}. An answer is "
                    f"asked for every {POLL_S * 1000:.0f} ms, so a value is up to that too large.",
                ],
            )
        ],
        raw={
            "fresh_s": [repeat.fresh_s for repeat in repeats],
            "ranked_s": [repeat.ranked_s for repeat in repeats],
            "never": never,
            "sources": dict(sources),
            "failed": dict(failed),
        },
        sound=not never,
    )


@dataclass(slots=True)
class Repeat:
    """What one repeat gave; times in seconds."""

    fresh_s: list[float] = field(default_factory=list)
    ranked_s: list[float] = field(default_factory=list)
    sources: Counter[str] = field(default_factory=Counter)
    never: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    rate: float = 0.0


async def _measure(args: argparse.Namespace, folder: Path) -> list[Repeat]:
    settings = LocalSettings(
        folder=folder / "stack",
        kafka_port=free_port(),
        redis_port=free_port(),
        ranker_port=free_port(),
        lag_port=free_port(),
        agent_port=free_port(),
    )
    items, everybody = catalogue(NUM_ITEMS), users(args.users)
    release = write_release(folder / "releases", items)
    async with Stack(settings, lambda _: None, environ={}) as stack:
        await stack.start_base()
        producer = Producer(KafkaSettings(bootstrap=stack.addresses["kafka"]), source="solaris/benchmarks")
        store = RedisStore.connect(RedisSettings(url=stack.addresses["redis"]), Profile.AGENT)
        await make_live(store, release, folder / "releases")
        await stack.start_processes()
        await _fill(store, release, producer)
        load = Load(args, producer, RankClient(stack.addresses["ranker"]), list(items), everybody)
        try:
            await load.run(WARM_UP_S)
            return [await load.run(args.seconds) for _ in range(args.repeats)]
        finally:
            await load.client.close()
            await asyncio.to_thread(producer.close)
            await store.close()


async def _fill(store: RedisStore, release: Release, producer: Producer) -> None:
    """Items and the past of the marked users, by way of the topics; returns when the item rows are there."""
    items = catalogue(NUM_ITEMS)
    now_ms = SystemClock().now_ms()
    updates = [
        ItemUpdate(event_id=f"item-{item}", event_time_ms=now_ms, item_id=item, features=features)
        for item, features in items.items()
    ]
    past = clicks(PAST * NUM_MARKED, _marked(), list(items), seed=1)
    await asyncio.to_thread(send_all, producer, [(Topic.ITEM_UPDATES, update) for update in updates])
    await asyncio.to_thread(send_all, producer, [(Topic.USER_ACTIVITY, event) for event in past])
    deadline = time.monotonic() + FILL_S
    while None in await store.read_item_rows(release.model_version, list(items)):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the items were not filled within {FILL_S:.0f} s")
        await asyncio.sleep(0.5)


class Load:
    """Activity, requests and marks on a running stack."""

    def __init__(
        self,
        args: argparse.Namespace,
        producer: Producer,
        client: RankClient,
        items: Sequence[ItemId],
        everybody: Sequence[UserId],
    ) -> None:
        self.client = client
        self._args, self._producer, self._items, self._everybody = args, producer, items, everybody
        self._numbers, self._clock = itertools.count(), SystemClock()
        self._events = clicks(1 << 40, everybody, items, seed=2)

    async def run(self, seconds: float) -> Repeat:
        """Everything at its rate for `seconds`; then wait for the marks under way."""
        repeat, started_s = Repeat(), time.monotonic()
        sent = 0
        tasks: list[asyncio.Task[None]] = []
        begun = {"mark": 0, "request": 0}
        rates = {"mark": self._args.marks, "request": self._args.requests}
        while (now_s := time.monotonic() - started_s) < seconds:
            while sent < now_s * self._args.rate:
                event = next(self._events)
                self._producer.send(Topic.USER_ACTIVITY, event.user_id, event)
                sent += 1
            for what, work in (("mark", self._mark), ("request", self._request)):
                while begun[what] < now_s * rates[what]:
                    begun[what] += 1
                    tasks.append(asyncio.create_task(work(repeat)))
            await asyncio.sleep(TICK_S)
        repeat.rate = sent / (time.monotonic() - started_s)
        await asyncio.gather(*tasks)
        return repeat

    async def _mark(self, repeat: Repeat) -> None:
        number, now_ms = next(self._numbers), self._clock.now_ms()
        user, item = _marked()[number % NUM_MARKED], self._items[number % NUM_ITEMS]
        request = RankRequest(
            request_id=f"mark-{number}", user_id=user, candidates=[OfferedItem(item_id=item)], k=1,
            deadline_ms=DEADLINE_MS,
        )  # fmt: skip
        started_s = time.monotonic()
        self._producer.send(Topic.USER_ACTIVITY, user, click(f"mark-{number}", user, item, now_ms))
        while time.monotonic() - started_s < GIVE_UP_S:
            try:
                answer = await self.client.rank(request)
            except (RankFailed, RankerUnreachable) as error:
                repeat.failed[_reason(error)] += 1
            else:
                if (answer.user.as_of_ms or 0) >= now_ms:
                    repeat.fresh_s.append(time.monotonic() - started_s)
                    repeat.sources[answer.user.source] += 1
                    return
            await asyncio.sleep(POLL_S)
        repeat.never += 1
        repeat.fresh_s.append(GIVE_UP_S)

    async def _request(self, repeat: Repeat) -> None:
        """What an application does: tell that retrieval has begun, what it found, and ask for a slate."""
        number = next(self._numbers)
        user, request_id = self._everybody[number * 7 % len(self._everybody)], f"request-{number}"
        found = [self._items[(number * 13 + n * 17) % NUM_ITEMS] for n in range(CANDIDATES)]
        try:
            await self.client.prepare(PrepareRequest(request_id=request_id, user_id=user), timeout_ms=DEADLINE_MS)
            completed = Retrieval(
                event_id=f"found-{number}", event_time_ms=self._clock.now_ms(), type="completed",
                request_id=request_id, user_id=user, candidates=[Candidate(item_id=item) for item in found],
            )  # fmt: skip
            self._producer.send(Topic.RETRIEVAL_EVENTS, user, completed)
            offered = [OfferedItem(item_id=item) for item in found]
            request = RankRequest(
                request_id=request_id, user_id=user, candidates=offered, k=SLATE, deadline_ms=DEADLINE_MS
            )
            started_s = time.monotonic()
            await self.client.rank(request)
        except (RankFailed, RankerUnreachable) as error:
            repeat.failed[_reason(error)] += 1
        else:
            repeat.ranked_s.append(time.monotonic() - started_s)


def _reason(error: RankFailed | RankerUnreachable) -> str:
    return error.type if isinstance(error, RankFailed) else "unreachable"


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.most_common()) or "none"


def _marked() -> list[UserId]:
    return [UserId(f"marked-{number}") for number in range(NUM_MARKED)]
