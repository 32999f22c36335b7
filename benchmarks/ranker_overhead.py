"""The ranker without its model, beside one pipeline that reads the same rows. One process, one caller.

Repeat by repeat and request by request the two take turns, so that whatever else the machine does hits both. Between
two measurements the slate is reported, untimed: in the product that happens off the path.
"""

import argparse
import asyncio
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import torch
import uvloop
from starlette.types import ASGIApp, Message

from benchmarks.bare_ranker import make_app, without_model
from benchmarks.figure import Figure, Table, Target
from benchmarks.ranker_world import World, fill
from benchmarks.spread import Spread, percentiles, ratios
from local.ports import LOOPBACK, free_port
from local.probe import HttpProbe
from local.process import Child
from local.valkey import running_valkey

TARGET = 2.5
WARM_UP = 100
READY_S = 60.0
IN_PROCESS, PIPELINE = "ranker, request handled in process", "one redis-py pipeline (asyncio)"
BLOCKING = "one redis-py pipeline (blocking)"
OVER_HTTP, BESIDE_HTTP = "ranker, over HTTP on loopback", "one redis-py pipeline (blocking), beside HTTP"

BETWEEN = "between the stages: admission, routing, building the answer"
AROUND = "around them: HTTP routing, metrics, encoding the answer"

Samples = dict[str, list[list[float]]]  # by what was measured, one list of milliseconds a repeat


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--candidates", type=int, default=500, help="of each request (default %(default)s)")
    parser.add_argument("--k", type=int, default=50, help="items of the slate (default %(default)s)")
    parser.add_argument("--requests", type=int, default=1000, help="of each repeat (default %(default)s)")


def measure(args: argparse.Namespace) -> Figure:
    """Both ways, side by side, then the parts."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="solaris-bench-") as name, without_model():
        folder = Path(name)
        with running_valkey(folder / "valkey") as server:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                world = runner.run(fill(server.url, folder, args.candidates, args.k))
                samples, stages = runner.run(_in_process(server.url, world, args.requests, args.repeats))
            samples |= _over_http(server.url, world, args.requests, args.repeats)
    ratio = ratios(samples[IN_PROCESS], samples[PIPELINE])
    compared = {
        "in process to asyncio": ratio,
        "in process to blocking": ratios(samples[IN_PROCESS], samples[BLOCKING]),
        "over HTTP to blocking": ratios(samples[OVER_HTTP], samples[BESIDE_HTTP]),
    }
    return Figure(
        title="Ranker overhead without the model",
        settings={"candidates": args.candidates, "k": args.k, "requests": args.requests, "repeats": args.repeats},
        targets=[
            Target(
                f"p50 of handling a request at most {TARGET} times that of the pipeline",
                f"{ratio['p50'].text()} times",
                ratio["p50"].median <= TARGET,
            )
        ],
        tables=[
            Table(
                ["ms", *percentiles(samples[PIPELINE])],
                [
                    *[[name, *(spread.text() for spread in percentiles(s).values())] for name, s in samples.items()],
                    *[[f"ratio: {name}", *(spread.text() for spread in r.values())] for name, r in compared.items()],
                ],
                notes=[
                    "Median of the repeats, lowest and highest in brackets. The first ratio is the figure: both by the "
                    "asyncio client, as in the ranker. A blocking client is faster and serves one caller."
                ],
            ),
            Table(
                ["stage", "ms, median"],
                [
                    [name, Spread.over([float(np.median(values)) for values in repeats]).text(3)]
                    for name, repeats in stages.items()
                ],
                "Where the time goes, in process",
            ),
        ],
        raw={"ms": samples, "stages_ms": stages},
    )


async def _in_process(
    url: str, world: World, num_requests: int, repeats: int
) -> tuple[Samples, dict[str, list[list[float]]]]:
    store, app = make_app(url)
    tasks = await app.start()
    pipeline, blocking = world.reads.asyncio_client(url), world.reads.blocking_client(url)
    asgi = app.asgi()
    samples: Samples = {PIPELINE: [], BLOCKING: [], IN_PROCESS: []}
    stages: defaultdict[str, list[list[float]]] = defaultdict(list)
    try:
        for repeat in range(repeats):
            piped, blocked, ranked, parts = [], [], [], defaultdict(list)
            for _ in range((WARM_UP if repeat == 0 else 10) + num_requests):
                piped.append(await _timed(lambda: world.reads.run_asyncio(pipeline)))
                started = time.perf_counter()
                world.reads.run_blocking(blocking)
                blocked.append((time.perf_counter() - started) * 1000)
                started = time.perf_counter()
                answer = await post(asgi, "/v1/rank", world.body)
                ranked.append((time.perf_counter() - started) * 1000)
                app.reporter.drain()
                for name, ms in _parts_of(world.check(answer), ranked[-1]).items():
                    parts[name].append(ms)
            samples[PIPELINE].append(piped[-num_requests:])
            samples[BLOCKING].append(blocked[-num_requests:])
            samples[IN_PROCESS].append(ranked[-num_requests:])
            for name, values in parts.items():
                stages[name].append(values[-num_requests:])
    finally:
        blocking.close()
        await pipeline.aclose()
        await app.stop(tasks)
        await store.close()
    return samples, dict(stages)


def _over_http(url: str, world: World, num_requests: int, repeats: int) -> Samples:
    port = free_port()
    command = [world.python, "-m", "benchmarks.bare_ranker", "--port", str(port), "--redis", url]
    server, pipeline = Child(command), world.reads.blocking_client(url)
    samples: Samples = {BESIDE_HTTP: [], OVER_HTTP: []}
    try:
        probe, deadline = HttpProbe(f"http://{LOOPBACK}:{port}/readyz"), time.monotonic() + READY_S
        while not probe.is_ready():
            if server.status is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the ranker did not start: {probe.why_not()}")
            time.sleep(0.1)
        connection = HTTPConnection(LOOPBACK, port, timeout=10)
        for repeat in range(repeats):
            piped, ranked = [], []
            for _ in range((WARM_UP if repeat == 0 else 10) + num_requests):
                started = time.perf_counter()
                world.reads.run_blocking(pipeline)
                between = time.perf_counter()
                connection.request("POST", "/v1/rank", world.body, {"content-type": "application/json"})
                answer = connection.getresponse().read()
                ranked.append((time.perf_counter() - between) * 1000)
                piped.append((between - started) * 1000)
                world.check(answer)
            samples[BESIDE_HTTP].append(piped[-num_requests:])
            samples[OVER_HTTP].append(ranked[-num_requests:])
        connection.close()
    finally:
        pipeline.close()
        server.stop(10.0)
    return samples


async def post(asgi: ASGIApp, path: str, body: bytes) -> bytes:
    """One request to an ASGI application without a socket; the body of the answer."""
    incoming: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
    outgoing: list[bytes] = []

    async def receive() -> Message:
        return incoming.pop()

    async def send(message: Message) -> None:
        outgoing.append(message.get("body", b""))

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())],
        "client": (LOOPBACK, 1),
        "server": (LOOPBACK, 8000),
    }
    await asgi(scope, receive, send)
    return b"".join(outgoing)


async def _timed(call: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await call()
    return (time.perf_counter() - started) * 1000


def _parts_of(stages: dict[str, float], whole: float) -> dict[str, float]:
    """One request's milliseconds: the ranker's own stages, and what they leave of it."""
    parts = {name: ms for name, ms in stages.items() if name != "total"}
    return parts | {BETWEEN: stages["total"] - sum(parts.values()), AROUND: whole - stages["total"]}
