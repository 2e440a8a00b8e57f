"""Two ways in to an engine, one way of answering: HTTP on a UNIX socket, and HTTP without a socket.

`SocketServer` serves the stock `docker` command line and SDK; `in_process_client` gives the stock
SDK a transport that ends in this process, with the very bytes that would go over a socket.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ProtocolError
from urllib3.response import HTTPResponse
from werkzeug import Request
from werkzeug.serving import WSGIRequestHandler
from werkzeug.test import create_environ

from swarmlab.engine.clock_drivers import ClockDriver, EngineGone
from swarmlab.engine.http_response import hijacked_head, locked, readable, receiver, respond, talk
from swarmlab.engine.streams import Hijack
from swarmlab.model.versions import API_VERSION

if TYPE_CHECKING:
    import docker

    from swarmlab.engine.daemon import Engine

ACCEPT_S = 0.02  # how often a server looks whether its machine is still up
EngineOf = Callable[[], "Engine | None"]  # the engine that runs now; None while the machine is down


# -- in this process -------------------------------------------------------------------------------
class _Pull(io.RawIOBase):
    """A response's bytes, made as they are read; what http.client takes for a socket."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, b""
        # Where the SDK looks for a socket to end the stream from another thread.
        self.sock = SimpleNamespace(shutdown=self._shut, close=lambda: None)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = piece
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count

    def _shut(self, how: int) -> None:
        self._pieces, self._rest = iter(()), b""


class _Socket(socket.socket):
    """The SDK leaves it to the garbage collector to close some of its sockets: so be it."""

    def __del__(self) -> None:
        if self.fileno() >= 0:
            os.close(self.detach())


class EngineAdapter(HTTPAdapter):
    """A transport for `requests` that ends at an engine in this process."""

    def __init__(self, engine_of: EngineOf, clock: ClockDriver) -> None:
        super().__init__()
        self._engine_of, self._clock = engine_of, clock

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        asked = _asked(request)
        try:
            answered = respond(self._engine_of(), self._clock, asked)
        except EngineGone:
            refused = ConnectionRefusedError(111, "Connection refused")
            error = ProtocolError("Connection aborted.", refused)
            raise requests.exceptions.ConnectionError(error, request=request) from None
        if isinstance(answered, Hijack):
            parsed = self._hijacked(asked, answered)
        else:
            parsed = _parsed(_Pull(answered), asked.method)
        raw = HTTPResponse(
            body=parsed, headers=dict(parsed.getheaders()), status=parsed.status,
            reason=parsed.reason, preload_content=False, decode_content=False,
            original_response=parsed,
        )  # fmt: skip
        return self.build_response(request, raw)

    def _hijacked(self, request: Request, hijack: Hijack) -> http.client.HTTPResponse:
        """A real socket, as the SDK polls it; a thread serves its other end.

        What depends on nobody is heard to its end first, so that time passes in a known order.
        """
        ours, theirs = (_Socket(fileno=end.detach()) for end in socket.socketpair())
        ours.sendall(hijacked_head(request, hijack))
        parsed = _parsed(theirs, "POST")
        theirs.close()  # the response keeps its own handle
        pieces = locked(self._clock, hijack.talk(receiver(ours)), passing=False)
        pieces = pieces if hijack.live else iter([b"".join(pieces)])
        threading.Thread(target=talk, args=(ours, pieces), name="hijacked", daemon=True).start()
        return parsed


def _asked(request: requests.PreparedRequest) -> Request:
    data: Any = request.body or b""
    if not isinstance(data, (bytes, str)):
        data = data.read() if hasattr(data, "read") else b"".join(data)
    headers, method = dict(request.headers), request.method or "GET"
    environ = create_environ(request.path_url, method=method, headers=headers, data=data)
    return Request(environ)


def _parsed(sock: Any, method: str) -> http.client.HTTPResponse:
    response = http.client.HTTPResponse(sock, method=method)
    response.begin()
    return response


def in_process_client(name: str, adapter: EngineAdapter) -> docker.DockerClient:
    """The stock SDK's client of engine `name`."""
    import docker

    # A port and a version must be given: the SDK asks for them before an adapter can be mounted.
    client = docker.DockerClient(base_url=f"http://{name}.swarmlab:2375", version=API_VERSION)
    client.api.mount("http://", adapter)
    return client


# -- over a socket ---------------------------------------------------------------------------------
class _Handler(WSGIRequestHandler):
    """One connection: requests are answered one after the other until somebody hangs up."""

    protocol_version = "HTTP/1.1"
    server: SocketServer  # type: ignore[assignment]

    def run_wsgi(self) -> None:
        clock, request = self.server.clock, Request(self.make_environ())
        self.close_connection = True
        try:
            answered = respond(self.server.engine_of(), clock, request)
        except EngineGone:
            return
        if isinstance(answered, Hijack):
            self.wfile.write(hijacked_head(request, answered))
            read = self.rfile.peek() if readable(self.connection) else b""  # type: ignore
            talk(self.connection, locked(clock, answered.talk(receiver(self.connection, read))))
            return
        first = next(answered)
        self.wfile.write(first)
        for piece in answered:
            if piece:
                self.wfile.write(piece)
            elif readable(self.connection) and not self.connection.recv(1, socket.MSG_PEEK):
                return  # it hung up
        wanted = request.headers.get("Connection", "").lower()
        self.close_connection = wanted == "close" or b"\r\nConnection: close" in first

    def log(self, type: str, message: str, *args: Any) -> None:
        """Quiet: a server in a notebook does not write into it."""


class SocketServer:
    """One engine's `docker.sock`. While the machine is down, connections are refused."""

    # What werkzeug's request handler wants to know of its server.
    ssl_context = None
    multithread, multiprocess, _server_version = True, False, "swarmlab"
    server_address = ("docker.sock", 0)

    def __init__(self, path: Path | str, engine_of: EngineOf, clock: ClockDriver) -> None:
        self.path, self.engine_of, self.clock = Path(path), engine_of, clock
        self._begun, self._stopping = threading.Event(), threading.Event()
        self._connections: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._run, name=f"serve {path}", daemon=True)

    def start(self) -> None:
        """The socket is there when this returns, if the machine is up."""
        self._thread.start()
        self._begun.wait()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            engine = self.engine_of()
            if engine is None:
                self._begun.set()
                self._stopping.wait(ACCEPT_S)
            else:
                self._listen(engine)

    def _listen(self, engine: Engine) -> None:
        """Take connections as long as this engine runs; then end every conversation."""
        self.path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.path))
            listener.listen(1024)
            listener.settimeout(ACCEPT_S)
            self._begun.set()
            while self.engine_of() is engine and not self._stopping.is_set():
                with contextlib.suppress(OSError):  # nobody came
                    connection, _ = listener.accept()
                    self._connections.add(connection)
                    threading.Thread(target=self._serve, args=(connection,), daemon=True).start()
            self.path.unlink(missing_ok=True)
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, contextlib.suppress(OSError, ValueError):
                connection.settimeout(None)
                _Handler(connection, ("<local>", 0), self)  # type: ignore[arg-type]
        finally:
            self._connections.discard(connection)
