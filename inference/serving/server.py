"""The HTTP edge: bytes to requests, answers and refusals to bytes. Bad input never gives a 500."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import StatelessLifespan

from inference import metrics
from inference.serving.decode import MAX_BODY_BYTES, decode_prepare, decode_rank
from inference.serving.errors import RequestError, too_large
from inference.serving.openapi import openapi
from inference.serving.ranking import Ranker
from runtime.clock import Clock
from runtime.health import Readiness
from runtime.logs import kv
from runtime.metrics import exposition

log = logging.getLogger(__name__)

JSON = "application/json"
BODY_S = 10.0  # a body that takes longer to arrive is nobody's request
# Closing while the caller still sends resets the connection, and with it goes our answer. Beyond this we do it anyway.
MAX_DISCARDED_BYTES = 16 * MAX_BODY_BYTES

_encoder = msgspec.json.Encoder()


class Server:
    """The routes over one ranker."""

    def __init__(self, ranker: Ranker, readiness: Readiness, clock: Clock) -> None:
        self._ranker = ranker
        self._readiness = readiness
        self._clock = clock

    def app(self, lifespan: StatelessLifespan[Starlette] | None = None) -> Starlette:
        """The ASGI application."""
        routes = [
            Route("/v1/rank", self._guarded("rank", self._rank), methods=["POST"]),
            Route("/v1/prepare", self._guarded("prepare", self._prepare), methods=["POST"]),
            Route("/livez", self._livez),
            Route("/readyz", self._readyz),
            Route("/metrics", self._metrics),
            Route("/openapi.json", self._openapi),
        ]
        there = ", ".join(f"{'POST' if 'POST' in (route.methods or ()) else 'GET'} {route.path}" for route in routes)

        async def http_error(request: Request, error: Exception) -> Response:
            assert isinstance(error, HTTPException)
            kind = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http")
            response = _refusal(RequestError(error.status_code, kind, f"{error.detail}; there are {there}"))
            response.headers.update(error.headers or {})
            return response

        return Starlette(routes=routes, exception_handlers={HTTPException: http_error}, lifespan=lifespan)

    async def _rank(self, request: Request, arrived_s: float) -> Response:
        answer = await self._ranker.rank(decode_rank(await _body(request)), arrived_s)
        return Response(_encoder.encode(answer), media_type=JSON)

    async def _prepare(self, request: Request, arrived_s: float) -> Response:
        answer = await self._ranker.prepare(decode_prepare(await _body(request)))
        return Response(_encoder.encode(answer), status_code=202, media_type=JSON)

    async def _livez(self, request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def _readyz(self, request: Request) -> Response:
        failures = self._readiness.failures()
        return JSONResponse({"ready": not failures, "failures": failures}, status_code=503 if failures else 200)

    async def _metrics(self, request: Request) -> Response:
        self._ranker.observe()
        body, content_type = exposition()
        return Response(body, media_type=content_type)

    async def _openapi(self, request: Request) -> Response:
        return JSONResponse(openapi())

    def _guarded(
        self, route: str, handle: Callable[[Request, float], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            arrived_s = self._clock.monotonic()
            try:
                response = await handle(request, arrived_s)
            except RequestError as error:
                metrics.requests.labels(route, error.type).inc()
                return _refusal(error)
            except (ClientDisconnect, TimeoutError):  # of the body: what the ranker waits for has its own answers
                metrics.requests.labels(route, "disconnected").inc()
                return _refusal(RequestError(408, "body_late", f"the body did not arrive within {BODY_S:.0f} s"))
            except Exception:  # a defect of ours: seen in the log and the metric, told to the caller without details
                log.exception(kv("request failed", route=route))
                metrics.requests.labels(route, "internal").inc()
                return _refusal(RequestError(500, "internal", "the ranker failed; its log says why"))
            metrics.requests.labels(route, "ok").inc()
            return response

        return guarded


async def _body(request: Request) -> bytes:
    """The request's body; one that is too large is never kept, only read to its end so that the refusal arrives."""
    parts: list[bytes] = []
    size = 0
    async with asyncio.timeout(BODY_S):
        async for part in request.stream():
            size += len(part)
            if size > MAX_DISCARDED_BYTES:
                break
            if size <= MAX_BODY_BYTES:
                parts.append(part)
            else:
                parts.clear()
    if size > MAX_BODY_BYTES:
        raise _body_too_large()
    return b"".join(parts)


def _body_too_large() -> RequestError:
    return too_large(f"the body has more than {MAX_BODY_BYTES} bytes", None)


def _refusal(error: RequestError) -> Response:
    headers = {} if error.retry_after_s is None else {"retry-after": str(error.retry_after_s)}
    if error.status == 413:
        headers["connection"] = "close"
    return Response(error.body(), status_code=error.status, headers=headers, media_type=JSON)
