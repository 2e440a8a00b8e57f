"""Two ways in to an engine, one way of answering: HTTP on a UNIX socket, and HTTP without a socket.

`SocketServer` serves the stock `docker` command line and SDK; `in_process_client` gives the stock
SDK a transport that ends in this process, with the very bytes that would go over a socket.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import select
import socket
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ProtocolError
from urllib3.response import HTTPResponse
from werkzeug import Request
from werkzeug.exceptions import HTTPException
from werkzeug.serving import WSGIRequestHandler

from swarmlab.engine.doors import Door, EngineGone
from swarmlab.engine.request import BODY_BYTES_MAX, Engine
from swarmlab.engine.routes import answer
from swarmlab.engine.streams import Hijack

if TYPE_CHECKING:
    import docker

DISCARD_BYTES_MAX = 1 << 30
ACCEPT_S = 0.02  # how often a server looks whether its machine is still up
EngineOf = Callable[[], Engine | None]  # the engine that runs now; None while the machine is down


# -- what both share -----------------------------------------------------------------------------
def head(status: int, headers: Iterator[tuple[str, str]] | list[tuple[str, str]]) -> bytes:
    reason = "UPGRADED" if status == 101 else HTTPStatus(status).phrase
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{key}: {value}" for key, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def hijacked_head(request: Request, hijack: Hijack) -> bytes:
    """101 for a client that asked for an upgrade, a plain 200 for one that simply expects it."""
    upgrade = "upgrade" in request.headers.get("Connection", "").lower()
    headers = [("Content-Type", hijack.content_type)]
    extra = [("Connection", "Upgrade"), ("Upgrade", "tcp")]
    return head(101 if upgrade else 200, headers + extra if upgrade else headers)


def chunked(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """HTTP's chunks; empty pieces stay empty."""
    for chunk in chunks:
        yield b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunk else b""
    yield b"0\r\n\r\n"


def locked(door: Door, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same pieces, made with the door's lock held and handed over without it."""
    try:
        while True:
            with door.lock:
                chunk = next(chunks, None)
            if chunk is None:
                return
            yield chunk
    finally:
        with contextlib.suppress(ValueError, AttributeError):  # running just now, or a plain list
            chunks.close()  # type: ignore[attr-defined]


def read_body(request: Request) -> None:
    """Take what the client sends before the lock is taken. What is not JSON only has a length."""
    if request.mimetype in ("application/json", ""):
        request.max_content_length = BODY_BYTES_MAX
        request.get_data(cache=True)
    else:
        left = DISCARD_BYTES_MAX
        while left > 0 and (piece := request.stream.read(1 << 16)):
            left -= len(piece)


def respond(engine: Engine, door: Door, request: Request) -> tuple[bytes, Iterator[bytes]] | Hijack:
    """What goes over the wire: the head (with the body, when that is small) and what follows."""
    try:
        read_body(request)
    except HTTPException as error:
        text = b'{"message":"http: request body too large"}\n'
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(text)))]
        return head(error.code or 400, [*headers, ("Connection", "close")]) + text, iter(())
    with door.lock:
        door.begin()
        response = answer(engine, door, request)
    if isinstance(response, Hijack):
        return response
    headers = list(response.headers.items())
    if not response.is_streamed:
        body = b"" if request.method == "HEAD" else response.get_data()
        return head(response.status_code, headers) + body, iter(())
    chunks = locked(door, iter(response.response))  # type: ignore[arg-type]
    return head(response.status_code, [*headers, ("Transfer-Encoding", "chunked")]), chunked(chunks)


# -- in this process -----------------------------------------------------------------------------
class _Pull(io.RawIOBase):
    """A response's bytes, made as they are read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest, self._ended = chunks, b"", False
        self.sock = self  # where the SDK looks for something to shut down

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest and not self._ended:
            chunk = next(self._chunks, None)
            self._ended, self._rest = chunk is None, chunk or b""
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count

    def shutdown(self, how: int) -> None:
        """As a socket's: the reader finds the end."""
        self._ended, self._rest = True, b""

    def close(self) -> None:
        self.shutdown(socket.SHUT_RDWR)
        if hasattr(self._chunks, "close"):
            self._chunks.close()


class _Bytes:
    """What http.client takes for a socket."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Pull(self._chunks))


class EngineAdapter(HTTPAdapter):
    """A transport for `requests` that ends at an engine in this process."""

    def __init__(self, engine_of: EngineOf, door: Door) -> None:
        super().__init__()
        self._engine_of, self._door = engine_of, door

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        engine = self._engine_of()
        try:
            if engine is None:
                raise EngineGone
            asked = Request(_environ(request))
            answered = respond(engine, self._door, asked)
        except EngineGone:
            refused = ConnectionRefusedError(111, "Connection refused")
            error = ProtocolError("Connection aborted.", refused)
            raise requests.exceptions.ConnectionError(error, request=request) from None
        if isinstance(answered, Hijack):
            parsed = self._hijacked(asked, answered)
        else:
            first, rest = answered

            def chunks() -> Iterator[bytes]:
                yield first
                yield from rest

            parsed = _parsed(_Bytes(chunks()), asked.method)
        raw = HTTPResponse(
            body=parsed, headers=dict(parsed.getheaders()), status=parsed.status,
            reason=parsed.reason, preload_content=False, decode_content=False,
            original_response=parsed,
        )  # fmt: skip
        return self.build_response(request, raw)

    def _hijacked(self, request: Request, hijack: Hijack) -> http.client.HTTPResponse:
        """A real socket, whose other end a thread serves: the SDK polls it and reads it."""
        ours, theirs = socket.socketpair()
        ours.sendall(hijacked_head(request, hijack))
        parsed = _parsed(theirs, "POST")
        theirs.close()  # the response keeps its own handle
        threading.Thread(
            target=talk, args=(ours, b"", hijack, self._door), name="hijacked", daemon=True
        ).start()
        return parsed


def _environ(request: requests.PreparedRequest) -> dict[str, Any]:
    """WSGI's view of a prepared request."""
    url = urlsplit(request.url or "")
    body: Any = request.body
    data: Any = body.read() if hasattr(body, "read") else body or b""
    if not isinstance(data, (bytes, str)):
        data = b"".join(data)
    data = data.encode() if isinstance(data, str) else data
    environ = {
        "REQUEST_METHOD": request.method,
        "PATH_INFO": unquote(str(url.path), "latin-1"),
        "QUERY_STRING": url.query,
        "SERVER_NAME": url.hostname,
        "SERVER_PORT": str(url.port or 80),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(data),
    }
    for key, value in request.headers.items():
        environ["HTTP_" + key.upper().replace("-", "_")] = value
    return environ | {
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(data)),
    }


def _parsed(sock: Any, method: str) -> http.client.HTTPResponse:
    response = http.client.HTTPResponse(sock, method=method)
    response.begin()
    return response


def in_process_client(name: str, adapter: EngineAdapter) -> docker.DockerClient:
    """The stock SDK's client of engine `name`."""
    import docker

    # A port and a version must be given: the SDK asks for them before an adapter can be mounted.
    client = docker.DockerClient(base_url=f"http://{name}.swarmlab:2375", version="1.50")
    client.api.mount("http://", adapter)
    return client


# -- over a socket --------------------------------------------------------------------------------
def talk(sock: socket.socket, received: bytes, hijack: Hijack, door: Door) -> None:
    """Serve a connection that was taken over until the talk is over; `received`: already read."""
    pending = [received] if received else []

    def receive() -> bytes | None:
        if pending:
            return pending.pop()
        readable, _, _ = select.select([sock], [], [], 0)
        return sock.recv(1 << 16) if readable else None

    with contextlib.suppress(OSError), sock:
        for chunk in locked(door, hijack.talk(receive)):
            sock.sendall(chunk)
        sock.shutdown(socket.SHUT_WR)


class _Handler(WSGIRequestHandler):
    """One connection: requests are answered one after the other until somebody hangs up."""

    protocol_version = "HTTP/1.1"
    server: SocketServer  # type: ignore[assignment]

    def run_wsgi(self) -> None:
        engine, door = self.server.engine_of(), self.server.door
        if self.headers.get("Expect", "").lower().strip() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request = Request(self.make_environ())
        try:
            answered = respond(engine, door, request) if engine is not None else None
        except EngineGone:
            answered = None
        if answered is None:
            self.close_connection = True
        elif isinstance(answered, Hijack):
            self.close_connection = True
            self.wfile.write(hijacked_head(request, answered))
            received = self.rfile.peek() if select.select([self.connection], [], [], 0)[0] else b""  # type: ignore[attr-defined]
            talk(self.connection, received, answered, door)
        else:
            first, rest = answered
            self.close_connection |= b"\r\nConnection: close" in first
            self.wfile.write(first)
            for chunk in rest:
                if chunk:
                    self.wfile.write(chunk)
                elif self._hung_up():
                    self.close_connection = True
                    break

    def _hung_up(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            return not self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        return False

    def log(self, type: str, message: str, *args: Any) -> None:
        """Quiet: a server in a notebook does not write into it."""


class SocketServer:
    """One engine's `docker.sock`. While the machine is down, connections are refused."""

    # What werkzeug's request handler wants to know of its server.
    ssl_context = None
    multithread, multiprocess, _server_version = True, False, "swarmlab"
    server_address = ("docker.sock", 0)

    def __init__(self, path: Path | str, engine_of: EngineOf, door: Door) -> None:
        self.path, self.engine_of, self.door = Path(path), engine_of, door
        self._stopping = threading.Event()
        self._connections: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._run, name=f"serve {path}", daemon=True)

    def start(self) -> None:
        """The socket is there when this returns, if the machine is up."""
        self._listener = self._listen() if self.engine_of() is not None else None
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _listen(self) -> socket.socket:
        self.path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.path))
        listener.listen(128)
        listener.settimeout(ACCEPT_S)
        return listener

    def _run(self) -> None:
        served = self.engine_of()
        while not self._stopping.is_set():
            engine = self.engine_of()
            if engine is not served:
                self._hang_up()
                served = engine
            if engine is None:
                self._stopping.wait(ACCEPT_S)
                continue
            if self._listener is None:
                self._listener = self._listen()
            with contextlib.suppress(TimeoutError, OSError):
                connection, _ = self._listener.accept()
                self._connections.add(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()
        self._hang_up()

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.settimeout(None)
            with contextlib.suppress(OSError, ValueError):
                _Handler(connection, ("<local>", 0), self)  # type: ignore[arg-type]
        finally:
            self._connections.discard(connection)
            connection.close()

    def _hang_up(self) -> None:
        """Stop listening, and end every conversation."""
        self.path.unlink(missing_ok=True)
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
