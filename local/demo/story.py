"""The demo's story, told on a running stack: slates before and after clicks, freshness, coverage, lag, quality."""

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

from inference.client import RankClient
from inference.evaluation.report import table
from inference.manifest import decode_manifest
from inference.serving.schema import RankAnswer
from inference.synthetic.world import World
from local.demo.freshness import servable_after_s
from local.demo.seed import caught_up, is_seeded, seed
from local.demo.show import QUALITY_LEGEND, lag_lines, mean_place, percentiles_line, slate_lines, tally_lines
from local.demo.traffic import Tally, Traffic, rank_patiently, rank_request
from runtime.clock import SystemClock
from runtime.ids import ItemId, UserId
from runtime.settings import KafkaSettings, model_name
from streams.wire.producer import Producer
from streams.wire.topics import Topic

CLICKER, CONTROL = UserId("7"), UserId("8")
NUM_CLICKS = 6
NUM_PROBES = 40
WARM_UP_S = 15.0  # traffic before anything is counted: visitors must come back once for their pairs to be used
COUNT_S = 15.0
TOP = 8

Say = Callable[[str], None]


class Story:
    """Tells everything once; the traffic goes on until the task that runs `traffic.run` is cancelled."""

    def __init__(self, addresses: Mapping[str, str], kafka: KafkaSettings, releases: Path, say: Say) -> None:
        self._addresses, self._kafka, self._releases, self._say = addresses, kafka, releases, say
        self._clock = SystemClock()
        self._world = World()
        self._producer = Producer(kafka, source="demo")
        self._client = RankClient(addresses["ranker"])
        self._run_id = f"{self._clock.now_ms():x}"
        self.traffic = Traffic(self._world, self._producer, self._client, self._clock)

    async def close(self) -> None:
        """Flush what was produced."""
        await self._client.close()
        await asyncio.to_thread(self._producer.close)

    async def fill(self) -> None:
        """Put the world's past on the topics, unless an earlier demo has."""
        now_ms = self._clock.now_ms()
        if await asyncio.to_thread(is_seeded, self._kafka):
            await asyncio.to_thread(self._world.past, now_ms)  # the live half goes on where the past ended
            waited_s = await caught_up(self._kafka)
            self._say(f"the catalogue and the past are on the topics already; agents caught up in {waited_s:.1f} s")
        else:
            num_events = await asyncio.to_thread(seed, self._world, self._producer, now_ms)
            waited_s = await caught_up(self._kafka)
            self._say(f"{num_events} item updates, clicks and conversions produced; in effect {waited_s:.1f} s later")

    async def clicks(self) -> None:
        """One user clicks items of one kind, the other does not; both are ranked before and after."""
        found = {user: self._world.request(user, self._clock.now_ms()) for user in (CLICKER, CONTROL)}
        before = {user: await self._rank(user, found) for user in found}
        kind = self._kind_to_click(before[CLICKER])
        self._say(f"\nuser {CLICKER}, ranked:")
        self._print(slate_lines(before[CLICKER], self._kind_of, TOP))
        clicks = self._world.click_on(CLICKER, kind, self._clock.now_ms(), NUM_CLICKS)
        for click in clicks:
            self._producer.send(Topic.USER_ACTIVITY, CLICKER, click)
        newest_ms = max(click.event_time_ms for click in clicks)
        start_s = time.monotonic()
        while ((await self._rank(CLICKER, found)).user.as_of_ms or 0) < newest_ms:
            if time.monotonic() - start_s > 30:
                raise TimeoutError("the clicks did not reach the ranked answer within 30 s")
            await asyncio.sleep(0.02)
        after = {user: await self._rank(user, found) for user in found}
        self._say(f"\nuser {CLICKER} has clicked {len(clicks)} items of kind {kind!r}; the same candidates again:")
        self._print(slate_lines(after[CLICKER], self._kind_of, TOP))
        self._say(f"\nmean place of {kind!r} among {len(after[CLICKER].items)} candidates (1 is best):")
        for user, role in ((CLICKER, "clicked"), (CONTROL, "control")):
            places = [mean_place(answer[user], kind, self._kind_of) for answer in (before, after)]
            self._say(f"    user {user} ({role}): {places[0]:.1f} -> {places[1]:.1f}")

    async def freshness(self) -> None:
        """Event to servable, under the traffic that is running."""
        seconds = []
        for number in range(NUM_PROBES):
            user = self._world.users[100 + number]
            item = self._world.items[number]
            event_id = f"probe-{self._run_id}-{number}"
            seconds.append(
                await servable_after_s(user, ItemId(item), event_id, self._producer, self._client, self._clock)
            )
        self._say("\nfreshness, from producing a click to an answer that includes it:")
        self._say(percentiles_line("event to servable", seconds))

    async def coverage(self) -> None:
        """Tiers and sources of the answers, counted after a warm-up."""
        await asyncio.sleep(WARM_UP_S)
        self.traffic.tally = tally = Tally()
        await asyncio.sleep(COUNT_S)
        self._say(f"\ncoverage by tier, over {COUNT_S:.0f} s of traffic:")
        self._print(tally_lines(tally))
        self._say(percentiles_line("POST /v1/rank, 100 candidates", tally.latencies_s))

    async def lag(self) -> None:
        """Lag and verdict of each agent's group."""
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = (await http.get(self._addresses["lag"] + "/lag", timeout=5.0)).raise_for_status()
        self._say("\nlag by consumer group:")
        self._print(lag_lines(answer.json()["groups"]))

    def quality(self, version: str) -> None:
        """The report of the live release's training."""
        manifest = decode_manifest((self._releases / model_name() / version / "manifest.json").read_bytes())
        self._say(f"\nquality of release {version}, on a later period:")
        self._print([f"    {line}" for line in table(manifest.metrics).splitlines()])
        self._print(QUALITY_LEGEND)

    async def version(self) -> str:
        """The live version, as the ranker says it."""
        found = self._world.request(CLICKER, self._clock.now_ms())
        return (await rank_patiently(self._client, rank_request(found, 1, explore=False))).version

    async def _rank(self, user: UserId, found: Mapping[UserId, Any]) -> RankAnswer:  # Any: a Retrieval
        request = found[user]
        return await rank_patiently(self._client, rank_request(request, len(request.candidates), explore=False))

    def _kind_to_click(self, answer: RankAnswer) -> str:
        """The kind with the worst mean place of those that the user was offered at least three of."""
        kinds = [self._kind_of(item.item_id) for item in answer.items]
        offered = sorted({kind for kind in kinds if kinds.count(kind) >= 3})
        return max(offered, key=lambda kind: mean_place(answer, kind, self._kind_of))

    def _kind_of(self, item: str) -> str:
        return self._world.category_of(ItemId(item))

    def _print(self, lines: list[str]) -> None:
        for line in lines:
            self._say(line)
