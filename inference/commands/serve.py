"""`python -m inference serve`: the ranker process."""

import argparse
import asyncio
import dataclasses
import signal
from collections.abc import Generator
from contextlib import contextmanager

import torch
import uvicorn
import uvloop

from cache.redis_store import Profile, RedisStore
from inference.kernel_choice import check_kernels
from inference.serving.app import RankerApp
from inference.serving.scorer import scorer_on
from inference.serving.settings import RankerSettings
from runtime import logs
from runtime.environment import load
from runtime.settings import kafka_settings, model_name, redis_settings
from streams.wire.producer import Producer

FLUSH_S = 5.0  # for reports on their way to Kafka when the process stops
GRACE_S = 5  # for requests under way


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "serve",
        help="rank over HTTP",
        description="The ranker process: POST /v1/rank and /v1/prepare; GET /livez, /readyz, /metrics and "
        "/openapi.json. Settings come from SOLARIS_RANKER_* variables.",
    )
    parser.add_argument("--host", help="address to listen on (SOLARIS_RANKER_HOST, 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on, 0 for a free one (SOLARIS_RANKER_PORT, 8000)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    logs.setup("ranker")
    settings = load(RankerSettings, "SOLARIS_RANKER")
    given = {name: getattr(args, name) for name in ("host", "port") if getattr(args, name) is not None}
    settings = dataclasses.replace(settings, **given)
    check_kernels()
    scorer_on(settings.device)  # refused before anything is opened
    torch.set_num_threads(1)  # two threads on two cores: p99 of one scoring call 47 ms instead of 2
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(settings))


async def _serve(settings: RankerSettings) -> int:
    store = RedisStore.connect(redis_settings(), Profile.REQUEST)
    producer = Producer(kafka_settings(), source="ranker")
    app = RankerApp(store, producer, model_name(), settings)
    config = uvicorn.Config(
        app.asgi(),
        host=settings.host,
        port=settings.port,
        http="httptools",
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=60,
        backlog=1024,
    )
    server = _Server(config)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, server.stop)
    try:
        await server.serve()
    finally:
        await asyncio.to_thread(producer.close, FLUSH_S)
        await store.close()
    return 0 if server.started else 1


class _Server(uvicorn.Server):
    """Leaves the signals to us: uvicorn's own handling raises them again, which would end us before the last flush."""

    def stop(self) -> None:
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield
