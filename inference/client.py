"""A small async client of the ranker: one pool, one deadline, errors as exceptions.

async with RankClient("http://127.0.0.1:8000") as client:
    answer = await client.rank(RankRequest(request_id="r1", user_id="7", candidates=[...], k=10, deadline_ms=200))
"""

import asyncio
from types import TracebackType

import httpx
import msgspec

from inference.serving.errors import ErrorBody
from inference.serving.schema import PrepareAnswer, PrepareRequest, RankAnswer, RankRequest
from runtime.unreachable import Unreachable

DEFAULT_DEADLINE_MS = 1_000  # of a request that names none: what the client waits at most
GRACE_S = 0.05  # the ranker's own deadline comes first, so that its 504 and its reasons arrive
MAX_CONNECTIONS = 64


class RankFailed(Exception):
    """The ranker refused: its HTTP status, its error type, and the field at fault if it named one."""

    def __init__(self, status: int, type: str, message: str, param: str | None = None) -> None:
        super().__init__(f"{status} {type}: {message}{f' (param: {param})' if param else ''}")
        self.status = status
        self.type = type
        self.param = param


class RankerUnreachable(Unreachable):
    """No answer: the connection was refused or broke, or the time was over."""


class RankClient:
    """Asks one ranker. Only a refused connection is tried again, once: the request cannot have been begun then."""

    def __init__(self, address: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        limits = httpx.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_CONNECTIONS)
        self._address = address
        self._http = httpx.AsyncClient(base_url=address, limits=limits, transport=transport, trust_env=False)

    async def __aenter__(self) -> "RankClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def rank(self, request: RankRequest) -> RankAnswer:
        """The slate; raises RankFailed or RankerUnreachable."""
        body = await self._post("/v1/rank", request, request.deadline_ms or DEFAULT_DEADLINE_MS)
        return msgspec.json.decode(body, type=RankAnswer)

    async def prepare(self, request: PrepareRequest, timeout_ms: int = DEFAULT_DEADLINE_MS) -> PrepareAnswer:
        """Say that retrieval has started; raises RankFailed or RankerUnreachable."""
        return msgspec.json.decode(await self._post("/v1/prepare", request, timeout_ms), type=PrepareAnswer)

    async def _post(self, path: str, request: msgspec.Struct, deadline_ms: int) -> bytes:
        content = msgspec.json.encode(request)
        try:
            async with asyncio.timeout(deadline_ms / 1000 + GRACE_S):  # httpx's own timeout is one of each phase
                try:
                    response = await self._send(path, content)
                except httpx.ConnectError:
                    response = await self._send(path, content)
        except TimeoutError as error:
            raise RankerUnreachable(f"{self._address}{path}: no answer within {deadline_ms} ms") from error
        except httpx.ConnectError as error:
            raise RankerUnreachable(f"no ranker answers at {self._address} ({error})") from error
        except httpx.HTTPError as error:
            raise RankerUnreachable(f"{self._address}{path}: {error!r}") from error
        if response.is_success:
            return response.content
        raise _failed(response)

    async def _send(self, path: str, content: bytes) -> httpx.Response:
        headers = {"content-type": "application/json"}
        return await self._http.post(path, content=content, headers=headers, timeout=None)


def _failed(response: httpx.Response) -> RankFailed:
    try:
        error = msgspec.json.decode(response.content, type=ErrorBody).error
    except msgspec.MsgspecError:  # something between us and the ranker answered
        return RankFailed(response.status_code, "unknown", response.text[:200])
    return RankFailed(response.status_code, error.type, error.message, error.param)
