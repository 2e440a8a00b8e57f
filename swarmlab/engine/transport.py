"""HTTP to an engine: over a UNIX socket, or within this process.

`SocketServer` serves the stock `docker` command line and SDK; `in_process_client` is the stock SDK
with an adapter that hands requests to an engine in this process, as the same bytes.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import re
import select
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from itertools import repeat, takewhile
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ProtocolError
from urllib3.response import HTTPResponse
from werkzeug import Request
from werkzeug.serving import DechunkedInput, WSGIRequestHandler
from werkzeug.test import create_environ

from swarmlab.engine.clock_drivers import WAIT_LIMIT_NS, ClockDriver, EngineGone
from swarmlab.engine.http_response import hijacked_head, locked, respond
from swarmlab.engine.streams import POLL_NS, Hijack, Receive
from swarmlab.model.versions import API_VERSION

if TYPE_CHECKING:
    import docker

    from swarmlab.engine.daemon import Engine

LINE_BYTES_MAX = 4096  # of the line before a chunk, and of a trailer
ACCEPT_S = 0.02  # how often a server checks whether its machine is still up
EngineOf = Callable[[], "Engine | None"]  # the running engine; None while the machine is down


# -- sockets -------------------------------------------------------------------------------------
def send_all(sock: socket.socket, pieces: Iterator[bytes]) -> None:
    """Send the pieces and close; an empty one only detects that the client has gone."""
    with contextlib.suppress(OSError), sock:
        for piece in pieces:
            sock.sendall(piece)
        sock.shutdown(socket.SHUT_WR)


def receiver(sock: socket.socket, received: bytes = b"") -> Receive:
    """Reads what the client has sent; `received` was read before."""
    unread = [received] if received else []

    def receive() -> bytes | None:
        if unread:
            return unread.pop()
        return sock.recv(1 << 16) if readable(sock) else None

    return receive


def readable(sock: socket.socket) -> bool:
    """Whether `recv` would return at once."""
    return bool(select.select([sock], [], [], 0)[0])


def still_connected(sock: socket.socket) -> bool:
    """Whether the client has not hung up; it may have said all that it has to say."""
    if not hasattr(select, "poll"):  # Windows, where such a client counts as gone
        return not readable(sock) or bool(sock.recv(1, socket.MSG_PEEK))
    poll = select.poll()
    poll.register(sock, 0)  # a hang-up is always reported
    return not poll.poll(0)


# -- in this process -------------------------------------------------------------------------------
class _LazySocket(io.RawIOBase):
    """A response whose bytes are made as they are read; a socket to http.client."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, b""
        # The SDK shuts this down to end the stream from another thread.
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
    """A socket that may be left to the garbage collector, as the SDK does, without a warning."""

    def __del__(self) -> None:
        if self.fileno() >= 0:
            socket.close(self.detach())


class EngineAdapter(HTTPAdapter):
    """An adapter of `requests` that hands each request to an engine in this process."""

    def __init__(self, engine_of: EngineOf, clock: ClockDriver) -> None:
        super().__init__()
        self._engine_of, self._clock = engine_of, clock

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        http = received(request)
        try:
            response = respond(self._engine_of(), self._clock, http)
        except EngineGone:
            refused = ConnectionRefusedError(111, "Connection refused")
            error = ProtocolError("Connection aborted.", refused)
            raise requests.exceptions.ConnectionError(error, request=request) from None
        if isinstance(response, Hijack):
            parsed = self._hijacked(http, response)
        else:
            parsed = _parsed(_LazySocket(response), http.method)
        raw = HTTPResponse(
            body=parsed, headers=dict(parsed.getheaders()), status=parsed.status,
            request_method=http.method,
            reason=parsed.reason, preload_content=False, decode_content=False,
            original_response=parsed,
        )  # fmt: skip
        return self.build_response(request, raw)

    def _hijacked(self, request: Request, hijack: Hijack) -> http.client.HTTPResponse:
        """The response on a real socket, since the SDK polls it; a thread serves its other end.

        A stream that needs no input is run to its end first, so that runs are reproducible; one
        without an end, such as that of `sleep 1d`, as long as any other request may take.
        """
        ours, theirs = (_Socket(fileno=end.detach()) for end in socket.socketpair())
        ours.sendall(hijacked_head(request, hijack))
        parsed = _parsed(theirs, "POST")
        theirs.close()  # the response keeps its own handle
        pieces = _in_time(locked(self._clock, hijack.talk(receiver(ours))))
        pieces = pieces if hijack.live else iter([b"".join(pieces)])
        threading.Thread(target=send_all, args=(ours, pieces), name="hijacked", daemon=True).start()
        return parsed


def _in_time(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces until `WAIT_LIMIT_NS` of virtual time have passed: after each empty one, some."""
    waits = repeat(None, WAIT_LIMIT_NS // POLL_NS)
    return takewhile(lambda piece: piece or next(waits, "over") is None, pieces)


def received(request: requests.PreparedRequest) -> Request:
    """The request as a server receives it."""
    body: Any = request.body
    headers, method = dict(request.headers), request.method or "GET"
    return Request(create_environ(request.path_url, method=method, headers=headers, data=body))


def _parsed(sock: Any, method: str) -> http.client.HTTPResponse:
    response = http.client.HTTPResponse(sock, method=method)
    response.begin()
    return response


def in_process_client(name: str, adapter: EngineAdapter) -> docker.DockerClient:
    """The stock SDK's client of engine `name`."""
    import docker

    # Port and version must be given: the SDK needs them before an adapter can be mounted.
    client = docker.DockerClient(base_url=f"http://{name}.swarmlab:2375", version=API_VERSION)
    client.api.mount("http://", adapter)
    return client


# -- over a socket ---------------------------------------------------------------------------------
class _Chunks(DechunkedInput):
    """A body in chunks, without their extensions and trailers. Source: Go net/http/internal."""

    _rfile: io.BufferedReader

    def read_chunk_len(self) -> int:
        size = self._rfile.readline(LINE_BYTES_MAX).partition(b";")[0].strip()
        if not re.fullmatch(b"[0-9a-fA-F]{1,16}", size):
            raise OSError("Invalid chunk header")
        if not (length := int(size, 16)):
            while self._rfile.peek()[:1] not in (b"\r", b"\n", b""):
                self._rfile.readline(LINE_BYTES_MAX)
        return length


class _Handler(WSGIRequestHandler):
    """One connection: handles its requests in turn until either side closes it."""

    protocol_version = "HTTP/1.1"
    server: SocketServer  # type: ignore[assignment]

    def run_wsgi(self) -> None:
        environ = self.make_environ()
        if isinstance(environ["wsgi.input"], DechunkedInput):
            environ["wsgi.input"] = _Chunks(self.rfile)  # type: ignore[arg-type]
        request = Request(environ)
        connected = partial(still_connected, self.connection)
        self.close_connection = True
        try:
            clock, response = self.server.respond(request, connected)
        except EngineGone:
            return
        if isinstance(response, Hijack):
            self.wfile.write(hijacked_head(request, response))
            read = self.rfile.peek() if readable(self.connection) else b""  # type: ignore
            receive = receiver(self.connection, read)
            send_all(self.connection, locked(clock, response.talk(receive)))
            return
        first = next(response)
        self.wfile.write(first)
        for piece in response:
            if piece:
                self.wfile.write(piece)
            elif not connected():
                return
        close = request.headers.get("Connection", "").lower() == "close" or not self._framed()
        self.close_connection = close or b"\r\nConnection: close" in first

    def _framed(self) -> bool:
        """Whether it is known where the body ends; else the rest could be taken for a request."""
        length, encoding = map(self.headers.get, ("Content-Length", "Transfer-Encoding"))
        chunked = encoding is None or encoding.lower() == "chunked"
        return bool(chunked and re.fullmatch("[0-9]*", length or "") and not self.headers.defects)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what is no request, and close. Source: Go net/http server.go, badRequestError."""
        text = f"{int(code)} {self.responses[code][0]}"
        head = f"HTTP/1.1 {text}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close"
        self.wfile.write(f"{head}\r\n\r\n{text}".encode())
        self.close_connection = True

    def log(self, type: str, message: str, *args: Any) -> None:
        """Log nothing: a server in a notebook must not write into it."""


class SocketServer:
    """One engine's `docker.sock`. While the machine is down, connections are refused."""

    # What werkzeug's request handler reads from its server.
    ssl_context = None
    multithread, multiprocess, _server_version = True, False, "swarmlab"
    server_address = ("docker.sock", 0)

    def __init__(self, path: Path | str, engine_of: EngineOf, clock: ClockDriver) -> None:
        self.path, self.engine_of, self.clock = Path(path), engine_of, clock
        self._listening, self._stopping = threading.Event(), threading.Event()
        self._connections: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._run, name=f"serve {path}", daemon=True)

    def respond(
        self, request: Request, connected: Callable[[], bool]
    ) -> tuple[ClockDriver, Iterator[bytes] | Hijack]:
        """The response, and by which clock its stream goes on."""
        return self.clock, respond(self.engine_of(), self.clock, request, connected)

    def start(self) -> None:
        """Start serving; if the machine is up, the socket exists when this returns."""
        self._thread.start()
        self._listening.wait()

    @property
    def serving(self) -> bool:
        return not self._stopping.is_set()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def listener(self, path: Path) -> socket.socket:
        """A socket at the path, for this user alone, on which it listens."""
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(1024)
        return listener

    def _run(self) -> None:
        while self.serving:
            engine = self.engine_of()
            if engine is None:
                self._listening.set()
                self._stopping.wait(ACCEPT_S)
            else:
                self._listen(engine)

    def _listen(self, engine: Engine) -> None:
        """Accept connections while this engine runs, then close all of them."""
        new = self.path.with_suffix(".new")
        new.unlink(missing_ok=True)
        with self.listener(new) as listener:
            new.replace(self.path)  # whoever finds it can connect
            listener.settimeout(ACCEPT_S)
            self._listening.set()
            while self.engine_of() is engine and self.serving:
                with contextlib.suppress(OSError):  # no client within `ACCEPT_S`
                    self._begin(listener.accept()[0])
            self.path.unlink(missing_ok=True)
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _begin(self, connection: socket.socket) -> None:
        self._connections.add(connection)
        try:
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()
        except RuntimeError:  # the system has no more threads to give
            self._connections.discard(connection)
            connection.close()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, contextlib.suppress(OSError, ValueError):
                connection.settimeout(None)
                _Handler(connection, ("<local>", 0), self)  # type: ignore[arg-type]
        finally:
            self._connections.discard(connection)
