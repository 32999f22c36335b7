"""The agent's own small HTTP server, on loopback unless told otherwise: /metrics, /livez, /readyz and nothing else.

A thread with the standard library's server, so that it answers while the event loop is busy, and so that Faust's own
pages (which show tables) stay off.
"""

import errno
import json
import logging
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from runtime.health import Readiness
from runtime.logs import kv
from runtime.metrics import exposition

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
READ_TIMEOUT_S = 5.0


class Page:
    """Serves until closed. `alive` returns why the process is not alive, or None."""

    def __init__(self, readiness: Readiness, alive: Callable[[], str | None]) -> None:
        handler = type("Handler", (_Handler,), {"readiness": readiness, "alive": staticmethod(alive)})
        self._handler: type[_Handler] = handler
        self._server: ThreadingHTTPServer | None = None

    def start(self, port: int, *, or_free: bool, host: str = LOOPBACK) -> int:
        """Listen on `port` (0: a free one) and return it; taken: a free one if `or_free`, else OSError."""
        try:
            self._server = ThreadingHTTPServer((host, port), self._handler)
        except OSError as error:
            if not or_free or error.errno != errno.EADDRINUSE:
                raise
            self._server = ThreadingHTTPServer((host, 0), self._handler)
            log.warning(kv("port is taken", port=port, instead=self._server.server_port))
        threading.Thread(target=self._server.serve_forever, name="page", daemon=True).start()
        log.info(kv("page", url=f"http://{host}:{self._server.server_port}/metrics"))
        return self._server.server_port

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class _Handler(BaseHTTPRequestHandler):
    timeout = READ_TIMEOUT_S
    readiness: ClassVar[Readiness]
    alive: ClassVar[Callable[[], str | None]]

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._answer(200, *exposition())
        elif path == "/livez":
            reason = type(self).alive()
            self._answer_json(503 if reason else 200, {"alive": not reason, "reason": reason})
        elif path == "/readyz":
            failures = self.readiness.failures()
            self._answer_json(503 if failures else 200, {"ready": not failures, "failures": failures})
        else:
            message = "no such page; there are GET /metrics, /livez and /readyz"
            self._answer_json(404, {"error": {"type": "not_found", "message": message, "param": None}})

    def log_message(self, format: str, *args: object) -> None:
        """Scrapes are not worth a line."""

    def _answer_json(self, status: int, body: dict[str, object]) -> None:
        self._answer(status, json.dumps(body).encode(), "application/json")

    def _answer(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
