"""Event to servable: how long after a click was produced an answer includes it."""

import asyncio
import time

from inference.client import RankClient
from inference.serving.schema import OfferedItem, RankRequest
from local.demo.traffic import DEADLINE_MS, rank_patiently
from runtime.clock import Clock
from runtime.ids import ItemId, UserId
from streams.wire.events import Activity
from streams.wire.producer import Producer
from streams.wire.topics import Topic

POLL_S = 0.005
GIVE_UP_S = 10.0


async def servable_after_s(
    user: UserId, item: ItemId, event_id: str, producer: Producer, client: RankClient, clock: Clock
) -> float:
    """Produce one click and rank until the answer's `as_of_ms` has reached it; raises TimeoutError."""
    now_ms = clock.now_ms()
    click = Activity(
        event_id=event_id,
        event_time_ms=now_ms,
        user_id=user,
        item_id=item,
        kind="click",
        request_id=event_id,
        position=0,
    )
    start_s = time.monotonic()
    producer.send(Topic.USER_ACTIVITY, user, click)
    while time.monotonic() - start_s < GIVE_UP_S:
        request = RankRequest(
            request_id=event_id,
            user_id=user,
            candidates=[OfferedItem(item_id=item)],
            k=1,
            deadline_ms=DEADLINE_MS,
            explore=False,
        )
        answer = await rank_patiently(client, request)
        if answer.user.as_of_ms is not None and answer.user.as_of_ms >= now_ms:
            return time.monotonic() - start_s
        await asyncio.sleep(POLL_S)
    raise TimeoutError(f"no answer for user {user} included event {event_id} within {GIVE_UP_S:.0f} s")
