"""The least that keeps histories: an aiokafka loop with the same writes, without any care.

`python -m benchmarks.bare_loop --kafka HOST:PORT --redis URL --group G --events N` consumes N records from the oldest
on and prints JSON: seconds from the first effect to the last, events between the two, and where the time went.
"""

import argparse
import asyncio
import json
import time

import orjson
import uvloop
from aiokafka import AIOKafkaConsumer

from cache.redis_store import Profile, RedisStore
from cache.store import HistoryEvent, HistoryUpdate
from runtime.ids import UserId
from runtime.settings import RedisSettings
from streams.wire.topics import Topic

BATCH = 500  # the agent's own
WAIT_MS = 500


async def consume(kafka: str, redis_url: str, group: str, num_events: int) -> dict[str, float]:
    """Fetch, decode, write, commit, until `num_events` were seen."""
    store = RedisStore.connect(RedisSettings(url=redis_url), Profile.AGENT)
    consumer = AIOKafkaConsumer(
        Topic.USER_ACTIVITY.value,
        bootstrap_servers=kafka,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=True,
        auto_commit_interval_ms=300,
    )
    decode_s = write_s = first_s = first_cpu_s = 0.0
    seen = first_batch = 0
    await consumer.start()
    try:
        while seen < num_events:
            fetched = await consumer.getmany(timeout_ms=WAIT_MS, max_records=BATCH)
            records = [record for batch in fetched.values() for record in batch]
            if not records:
                continue
            began_s = time.perf_counter()
            updates: dict[UserId, list[HistoryEvent]] = {}
            for record in records:
                event = orjson.loads(record.value)
                payload = orjson.dumps([event["item_id"], event["kind"], event.get("value"), event["event_time_ms"]])
                entry = HistoryEvent(event["event_id"], event["event_time_ms"], record.offset, payload)
                updates.setdefault(event["user_id"], []).append(entry)
            decoded_s = time.perf_counter()
            await store.apply_activity([HistoryUpdate(user, events) for user, events in updates.items()])
            written_s = time.perf_counter()
            decode_s += decoded_s - began_s
            write_s += written_s - decoded_s
            seen += len(records)
            if not first_s:
                first_s, first_cpu_s, first_batch = written_s, time.process_time(), len(records)
        last_s, last_cpu_s = time.perf_counter(), time.process_time()
    finally:
        await consumer.stop()
        await store.close()
    return {
        "all_events": seen,
        "events": seen - first_batch,
        "seconds": last_s - first_s,
        "decode_s": decode_s,
        "write_s": write_s,
        "cpu_s": last_cpu_s - first_cpu_s,
    }


def main() -> None:
    """Consume and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bare_loop")
    for name in ("--kafka", "--redis", "--group"):
        parser.add_argument(name, required=True)
    parser.add_argument("--events", type=int, required=True)
    args = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(consume(args.kafka, args.redis, args.group, args.events))))


if __name__ == "__main__":
    main()
