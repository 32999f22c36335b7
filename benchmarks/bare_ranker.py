"""The ranker without its model: everything is the product's own, only `Release.score` gives constants.

`python -m benchmarks.bare_ranker --port PORT --redis URL` serves it over HTTP as `python -m inference serve` does.
"""

import argparse
import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import torch
import uvicorn
import uvloop

from cache.redis_store import Profile, RedisStore
from inference.protocol import RankInputs, RankOutputs
from inference.release import Release
from inference.serving.app import RankerApp
from inference.serving.settings import RankerSettings
from runtime.settings import RedisSettings
from streams.wire.codec import encode
from streams.wire.events import Event

MODEL = "main"
PATIENCE_MS = 5_000  # a busy machine must make a request slow, not degraded


class EncodingSink:
    """What the producer does with a report on our side of librdkafka, and no further."""

    def send(self, topic: str, key: str, event: Event) -> None:
        encode(event)


@contextmanager
def without_model() -> Iterator[None]:
    """Every release scores with constants that differ between candidates, so that selecting has work to do."""
    constants = torch.rand(100_000, generator=torch.Generator().manual_seed(7))

    def score(self: Release, variant: str, inputs: RankInputs) -> RankOutputs:
        n = inputs.num_candidates
        return RankOutputs(constants[:n], constants[n : 2 * n])

    with mock.patch.object(Release, "score", score):
        yield


def make_app(redis_url: str) -> tuple[RedisStore, RankerApp]:
    """The ranker on this Redis; call inside the event loop and `without_model`."""
    store = RedisStore.connect(RedisSettings(url=redis_url, request_timeout_ms=PATIENCE_MS), Profile.REQUEST)
    return store, RankerApp(store, EncodingSink(), MODEL, RankerSettings(name="benchmark"))


async def _serve(redis_url: str, port: int) -> None:
    store, app = make_app(redis_url)
    config = uvicorn.Config(app.asgi(), host="127.0.0.1", port=port, http="httptools", ws="none", log_config=None)
    try:
        await uvicorn.Server(config).serve()
    finally:
        await store.close()


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bare_ranker")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--redis", required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with without_model(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(args.redis, args.port))


if __name__ == "__main__":
    main()
