"""Real requests over HTTP, to a server of this process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from swarmlab.errors import LabError
from swarmlab.real import http_traffic
from swarmlab.real.http_traffic import send


class EverySecond(BaseHTTPRequestHandler):
    """Answers in turn: well, and with a server's error."""

    count = 0

    def do_GET(self) -> None:
        EverySecond.count += 1
        self.send_response(200 if EverySecond.count % 2 else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), EverySecond)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def test_real_requests_are_counted(port: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(http_traffic, "SECONDS", 1)
    monkeypatch.setattr(http_traffic, "TIMEOUT_S", 60.0)  # a busy machine may answer late
    EverySecond.count = 0
    counted = send("web", "127.0.0.1", port, 10)
    assert (counted.served, counted.failed) == (5, 5)
    assert f"127.0.0.1:{port}" in repr(counted)


def test_without_a_server_one_line_says_why():
    with pytest.raises(LabError, match=r"no answer from 127.0.0.1:9: .* no IPVS"):
        send("web", "127.0.0.1", 9, 10)
    with pytest.raises(LabError, match="1 to 50 requests a second"):
        send("web", "127.0.0.1", 9, 1000)
