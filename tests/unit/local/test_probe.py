"""Readiness over HTTP."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from local.ports import free_port
from local.probe import HttpProbe


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/ready" else 503)
        self.end_headers()
        self.wfile.write(b"no release yet")

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_only_200_is_ready_and_the_answer_is_the_reason(url: str) -> None:
    assert HttpProbe(f"{url}/ready").is_ready()
    probe = HttpProbe(f"{url}/other")
    assert not probe.is_ready()
    assert probe.why_not() == f"{url}/other answers 503 no release yet"


def test_a_port_without_a_server_is_not_ready_and_says_so() -> None:
    probe = HttpProbe(f"http://127.0.0.1:{free_port()}/readyz")
    assert not probe.is_ready()
    assert "refused" in probe.why_not()
