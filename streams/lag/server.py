"""HTTP of the lag monitor: `/` the page, `/lag` JSON, `/metrics`, `/livez`, `/readyz`."""

import contextlib
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from runtime.health import Readiness
from runtime.metrics import exposition
from runtime.settings import KafkaSettings
from streams.lag.append_times import AppendTimes
from streams.lag.history import LagHistory
from streams.lag.monitor import LagMonitor
from streams.lag.reader import LagReader
from streams.lag.rules import MEANING
from streams.lag.settings import LagSettings

PAGE = Path(__file__).with_name("page.html")
# The page is one file: nothing is loaded from anywhere but its own address.
PAGE_HEADERS = {
    "content-security-policy": "default-src 'none'; connect-src 'self'; img-src data:; "
    "script-src 'unsafe-inline'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "cache-control": "no-store",
}


def lag_app(monitor: LagMonitor, settings: LagSettings) -> Starlette:
    """The application; its lifespan runs the monitor."""
    readiness = Readiness({"kafka": monitor.failure})
    page = PAGE.read_text()

    async def show_page(_request: Request) -> Response:
        return HTMLResponse(page, headers=PAGE_HEADERS)

    async def lag(_request: Request) -> Response:
        current = monitor.current()
        body = {
            "error": monitor.failure(),
            "interval_s": settings.interval_s,
            "window_s": settings.window_s,
            "meaning": {verdict.value: text for verdict, text in MEANING.items()},
            **(current[1].to_json() if current else {"time_s": None, "groups": []}),
        }
        return Response(orjson.dumps(body), media_type="application/json", headers={"cache-control": "no-store"})

    async def metrics(_request: Request) -> Response:
        body, content_type = exposition(monitor.registry)
        return Response(body, headers={"content-type": content_type})

    async def live(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(_request: Request) -> Response:
        failures = readiness.failures()
        return JSONResponse({"ready": not failures, "failures": failures}, status_code=503 if failures else 200)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        monitor.start()
        yield
        monitor.stop()

    routes = [
        Route("/", show_page),
        Route("/lag", lag),
        Route("/metrics", metrics),
        Route("/livez", live),
        Route("/readyz", ready),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


def build_monitor(kafka: KafkaSettings, settings: LagSettings) -> LagMonitor:
    """A monitor of the real broker."""
    history = LagHistory(window_s=settings.window_s, history_s=settings.history_s, lookup=AppendTimes(kafka).lookup)
    return LagMonitor(settings, LagReader(kafka, timeout_s=settings.broker_timeout_s), history)


def serve(kafka: KafkaSettings, settings: LagSettings) -> int:
    """Serve until SIGTERM or SIGINT; returns 0, or 1 if the address cannot be taken."""
    config = uvicorn.Config(
        lag_app(build_monitor(kafka, settings), settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # uvicorn raises the signal again after a clean stop
    server = uvicorn.Server(config)
    try:
        server.run()
    except SystemExit:  # uvicorn has logged that the address is taken
        return 1
    return 0 if server.started else 1
